# frozen_string_literal: true

# A webhook sender of the kind that Ringmaster replaces: it juggles jobs from beanstalkd in one EventMachine reactor.
#
# Usage: ruby clown.rb BEANSTALKD_PORT TUBE [keep-alive]
#
# A job is JSON: key, secret, url, body. It is POSTed with the signature headers; a 2xx deletes it, anything else puts it back
# with twice the delay it had, until it is 300 s old. Twelve of these ran on a machine, each on its own.

require "eventmachine"
require "em-http-request"
require "json"
require "openssl"

MAX_AGE_S = 300
TIMEOUT_S = 4
FIRST_DELAY_S = 1
RETRY_PRIORITY = 1_024
MAX_JUGGLED = 50
# No certificate is verified, as was the library's way; today's warns of it with each handshake, which would be counted.
OPTIONS = { connect_timeout: TIMEOUT_S, inactivity_timeout: TIMEOUT_S, tls: { verify_peer: false } }.freeze

# Beanstalkd answers the commands of a connection in their order, each with a line, some with a text behind it.
class Beanstalk < EventMachine::Connection
  include EventMachine::Protocols::LineText2

  # A parked reserve holds up every command behind it, the deletes of jobs that were sent meanwhile among them.
  RESERVE_TIMEOUT_S = 1

  def initialize(tube)
    super()
    @tube = tube
    @waiting = []
  end

  def post_init
    command("watch #{@tube}")
    command("ignore default")
  end

  # Yields the id and the text of a job; nothing when there was none in time.
  def reserve
    command("reserve-with-timeout #{RESERVE_TIMEOUT_S}") { |line, text| yield(line.split[1], text) }
  end

  # Yields the job's age and the delay it was released with last, in seconds.
  def stats(id)
    command("stats-job #{id}") { |_, text| yield(*%w[age delay].map { |name| text.to_s[/^#{name}: (\d+)/, 1].to_i }) }
  end

  def delete(id, &done) = command("delete #{id}", &done)

  def release(id, delay_s, &done) = command("release #{id} #{RETRY_PRIORITY} #{delay_s}", &done)

  def receive_line(line)
    bytes = line[/\A(?:RESERVED \d+|OK) (\d+)/, 1]
    return answer(line, nil) unless bytes

    @line = line
    set_text_mode(bytes.to_i + 2)
  end

  def receive_binary_data(text)
    answer(@line, text.chomp)
  end

  def unbind(*) = EventMachine.stop

  private

  def command(line, &answered)
    @waiting << answered
    send_data("#{line}\r\n")
  end

  def answer(line, text) = @waiting.shift&.call(line, text)
end

# Keeps one reserve outstanding and up to MAX_JUGGLED requests in the air.
class Clown
  def initialize(queue, keep_alive)
    @queue = queue
    @keep_alive = keep_alive
    @connections = {}
    @juggled = 0
    @reserving = false
  end

  def catch_next
    return if @reserving || @juggled >= MAX_JUGGLED

    @reserving = true
    @queue.reserve do |id, text|
      @reserving = false
      take(id, text) if text
      catch_next
    end
  end

  private

  def take(id, text)
    @juggled += 1
    @queue.stats(id) { |age_s, delay_s| deliver(id, post(JSON.parse(text)), age_s, delay_s) }
  end

  def deliver(id, request, age_s, delay_s)
    request.callback { request.response_header.status.between?(200, 299) ? drop(id) : put_back(id, age_s, delay_s) }
    request.errback { put_back(id, age_s, delay_s) }
  end

  def post(job)
    headers = {
      "Content-Type" => "application/json",
      "X-Pusher-Key" => job["key"],
      "X-Pusher-Signature" => OpenSSL::HMAC.hexdigest("SHA256", job["secret"], job["body"])
    }
    connection_to(job["url"]).post(body: job["body"], head: headers, keepalive: @keep_alive)
  end

  def connection_to(url)
    return @connections[url] if @connections[url]

    connection = EventMachine::HttpRequest.new(url, OPTIONS)
    @connections[url] = connection if @keep_alive
    connection
  end

  def put_back(id, age_s, delay_s)
    return drop(id) if age_s >= MAX_AGE_S

    @queue.release(id, [FIRST_DELAY_S, delay_s * 2].max) { caught }
  end

  def drop(id)
    @queue.delete(id) { caught }
  end

  def caught
    @juggled -= 1
    catch_next
  end
end

port, tube, mode = ARGV
EventMachine.epoll
EventMachine.run do
  queue = EventMachine.connect("127.0.0.1", Integer(port), Beanstalk, tube)
  Clown.new(queue, mode == "keep-alive").catch_next
end
