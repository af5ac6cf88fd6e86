# A SLURM of one machine, within this container: its controller at port $1, its node at port $2.
set -eu
install -d -o munge -g munge -m 755 /run/munge
setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged --force
mkdir -p /var/spool/controller /var/spool/node
cat > /etc/slurm/slurm.conf <<END
ClusterName=one
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$1
SlurmdPort=$2
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation=/var/spool/controller
SlurmdSpoolDir=/var/spool/node
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=node NodeHostname=$(hostname) NodeAddr=127.0.0.1 CPUs=4
PartitionName=all Nodes=ALL Default=YES State=UP
END
echo CgroupPlugin=disabled > /etc/slurm/cgroup.conf
slurmctld
slurmd -N node
timeout 60 sh -c 'until sinfo --noheader --format=%T | grep --quiet idle; do sleep 0.2; done'
