# shellcheck shell=bash
# The default StorageClass: folders of the nodes' disks, made beforehand. A claim waits for its pod, then gets a folder of the
# node that the pod goes to, and keeps it through the loss of that node. A released folder is not given out again.

storage_manifests() {
  local node number
  cat <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
YAML
  for node in $(nodes); do
    for number in $(seq "$VOLUMES_PER_NODE"); do
      cat <<YAML
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: $node-$number}
spec:
  capacity: {storage: 20Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: local
  persistentVolumeReclaimPolicy: Retain
  local: {path: /var/lib/volumes/$number}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions:
            - {key: kubernetes.io/hostname, operator: In, values: [$node]}
YAML
    done
  done
}
