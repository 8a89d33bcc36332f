module ringmaster/deploy/cluster/images/pause

go 1.24.0
