module ringmaster/deploy/cluster/images/fetch

go 1.24.0
