"""Threshold profiles: the limits of real systems, with their sources and the consequences of exceeding them.

A profile holds only numbers that its system itself uses or publishes. If the system compares a node with a
reference outside the cluster (true time, a client, a kernel figure), ``breaks`` explains how the limit was
converted.
"""

from dataclasses import dataclass
from typing import Literal

from skewmon.model import NS_PER_S, Threshold, ThresholdKind

#: The quantity that the system itself compares: two of its nodes, one node with the time that it trusts
#: (ahead, behind, or either way), a step of one clock, the maximum error that the kernel reports, or one node
#: with UTC.
Semantic = Literal["pair", "ahead", "behind", "step", "maxerror", "offset", "utc"]

#: The kind of source: the system's source code, documentation of its vendor, a statement of its maintainers,
#: or a rule that a regulator published.
Evidence = Literal["source code", "vendor document", "issue thread", "regulation"]

NS_PER_MS = 1_000_000

#: A warning waits this long, so that a clock which its daemon is about to correct raises no alert.
WARNING_FOR_S = 60.0

#: A breach ends only after this long below the line, so that a clock at the line does not flap.
CLEAR_FOR_S = 60.0


@dataclass(frozen=True, slots=True)
class Profile:
    """The lines of one system, the quantity they compare, the consequences of a breach, and the source."""

    name: str
    thresholds: tuple[Threshold, ...]
    semantic: Semantic
    breaks: str
    source: str
    evidence: Evidence


def warning(limit_ns: int, kind: ThresholdKind = ThresholdKind.SKEW) -> Threshold:
    """Return a line that warns after a breach of a minute."""
    return Threshold("warning", limit_ns, kind, WARNING_FOR_S, CLEAR_FOR_S)


def critical(limit_ns: int, kind: ThresholdKind = ThresholdKind.SKEW) -> Threshold:
    """Return a line that alerts at once, because beyond it the system acts by itself."""
    return Threshold("critical", limit_ns, kind, 0.0, CLEAR_FOR_S)


_MINUTE = 60 * NS_PER_S
_HOUR = 60 * _MINUTE

_ALL = (
    Profile(
        "default",
        (warning(50 * NS_PER_MS), critical(1 * NS_PER_S)),
        "pair",
        "At 50 ms node-mixin calls a clock wrong; at 1 s etcd logs a warning about its peer, and the log "
        "lines of two nodes no longer show which event came first.",
        "github.com/prometheus/node_exporter docs/node-mixin/alerts (NodeClockSkewDetected); "
        "github.com/etcd-io/etcd server/etcdserver/api/rafthttp/probing_status.go",
        "source code",
    ),
    Profile(
        "aerospike",
        (critical(20 * NS_PER_S),),
        "pair",
        "In strong-consistency mode a node stops accepting writes at 20 s of skew with the default "
        "heartbeat settings; at 27 s acknowledged writes may be lost.",
        "aerospike.com documentation, strong consistency, clock discontinuity",
        "vendor document",
    ),
    Profile(
        "aws-sigv4",
        (critical(5 * _MINUTE),),
        "offset",
        "AWS refuses signed requests whose time is 5 minutes off (S3: 15 minutes, RequestTimeTooSkewed). "
        "AWS compares with its own clock; skewmon sees only that two nodes are further apart than either "
        "may be from it.",
        "aws.amazon.com blog on clock-skew correction (five minutes); S3 error body "
        "MaxAllowedSkewMilliseconds 900000",
        "vendor document",
    ),
    Profile(
        "berkeley-db-je",
        (critical(2 * NS_PER_S),),
        "pair",
        "A replica of Berkeley DB Java Edition, and so of Oracle NoSQL Database, is refused by its "
        "master when je.rep.maxClockDelta is exceeded.",
        "Oracle Berkeley DB JE, com.sleepycat.je.rep.ReplicationConfig MAX_CLOCK_DELTA (default 2 s)",
        "vendor document",
    ),
    Profile(
        "cassandra",
        (warning(1 * NS_PER_S),),
        "behind",
        "Writes carry timestamps and the latest wins, so a write from a late clock is lost without an "
        "error. The server checks nothing; the C++ driver warns at 1 s about its own timestamp generator.",
        "docs.datastax.com C++ driver, CassTimestampGen (warning_threshold_us 1000000)",
        "vendor document",
    ),
    Profile(
        "ceph",
        (warning(50 * NS_PER_MS),),
        "pair",
        "Monitors report MON_CLOCK_SKEW and the cluster goes to HEALTH_WARN; with more skew monitors "
        "ignore each other's messages as outdated, or time out too early or too late.",
        "docs.redhat.com Ceph Storage, mon_clock_drift_allowed 0.050; github.com/ceph/ceph "
        "src/mon/Monitor.cc",
        "vendor document",
    ),
    Profile(
        "cockroachdb",
        (warning(300 * NS_PER_MS), critical(400 * NS_PER_MS)),
        "pair",
        "A node that is more than 400 ms (80 % of the default --max-offset) from at least half of the "
        "others ends itself. The project's own alert rule warns at 300 ms.",
        "github.com/cockroachdb/cockroach pkg/rpc/clock_offset.go, pkg/server/config.go, "
        "monitoring/rules/alerts.rules.yml (ClockOffsetNearMax)",
        "source code",
    ),
    Profile(
        "couchbase",
        (warning(5 * NS_PER_S, ThresholdKind.AHEAD),),
        "ahead",
        "Cross-datacentre replication with last-write-wins raises an alert when a mutation is more than "
        "5 s ahead of the local clock; a node that runs ahead wins conflicts that it should lose.",
        "docs.couchbase.com, monitor clock drift",
        "vendor document",
    ),
    Profile(
        "edb-pgd",
        (warning(2 * NS_PER_S), critical(5 * NS_PER_S)),
        "pair",
        "The cluster's own health check reports a warning above 2 s and critical above 5 s; row "
        "conflicts are decided by commit timestamps.",
        "enterprisedb.com, Postgres Distributed, pgd show-clockskew",
        "vendor document",
    ),
    Profile(
        "elasticsearch",
        (warning(10 * NS_PER_S), warning(5 * NS_PER_S, ThresholdKind.STEP)),
        "pair",
        "The vendor calls a few seconds confusing and more than 10 s unexpected behaviour. Every node "
        "also logs a backward step and a jump above 5 s.",
        "elastic.co guide, important system configuration, clocks; github.com/elastic/elasticsearch "
        "ThreadPool.java",
        "vendor document",
    ),
    Profile(
        "etcd",
        (critical(1 * NS_PER_S),),
        "pair",
        "etcd logs a warning at 1 s. According to its maintainers version 3 itself is not harmed by "
        "drift; at a minute, things around it break: leases of old versions, version 2 TTLs, certificate "
        "validity, Kubernetes tokens and every comparison of logs.",
        "github.com/etcd-io/etcd server/etcdserver/api/rafthttp/probing_status.go; "
        "github.com/etcd-io/etcd/issues/16432",
        "source code",
    ),
    Profile(
        "ethereum",
        (warning(10 * NS_PER_S),),
        "offset",
        "go-ethereum warns at 10 s of drift against NTP, for peers drop discovery packets that have "
        "expired by their clock.",
        "github.com/ethereum/go-ethereum p2p/discover (driftThreshold)",
        "source code",
    ),
    Profile(
        "finra",
        (critical(50 * NS_PER_MS, ThresholdKind.UTC), critical(100 * NS_PER_MS)),
        "utc",
        "Clocks that record events in NMS securities, standardized options and OTC equity securities must be "
        "within 50 ms of NIST's clock, the error of the time source and the delay from it included, and the "
        "log must show every excess: skewmon events does. Two clocks 100 ms apart cannot both be. UTC needs "
        "references; without them only the line between two nodes is judged.",
        "FINRA Rule 4590 (b) and Supplementary Material .01, Synchronization of Member Business Clocks",
        "regulation",
    ),
    Profile(
        "hbase",
        (warning(10 * NS_PER_S), critical(30 * NS_PER_S)),
        "pair",
        "The master logs a warning for a region server that is 10 s off, and at 30 s refuses it with "
        "ClockOutOfSyncException.",
        "github.com/apache/hbase ServerManager.java (hbase.master.warningclockskew, "
        "hbase.master.maxclockskew)",
        "source code",
    ),
    Profile(
        "jwt",
        (critical(1 * _MINUTE),),
        "offset",
        "A token of an issuer that runs ahead is not yet valid, one of an issuer that runs behind has "
        "expired. 60 s is the leeway of Vault's JWT method; other verifiers allow from none to 5 "
        "minutes.",
        "developer.hashicorp.com Vault, JWT/OIDC auth method API (clock_skew_leeway)",
        "vendor document",
    ),
    Profile(
        "kafka",
        (warning(1 * _HOUR, ThresholdKind.AHEAD),),
        "ahead",
        "From version 4.0 brokers refuse records whose timestamp is more than an hour ahead of their own "
        "clock. Long before that retention and joins by time go wrong; add a finer line of your own.",
        "kafka.apache.org topic configuration, message.timestamp.after.max.ms (default 3600000); KIP-1030",
        "vendor document",
    ),
    Profile(
        "kerberos",
        (critical(5 * _MINUTE),),
        "pair",
        "Beyond 5 minutes between client and server, authentication fails with a clock skew error; in "
        "Active Directory that means every login.",
        "docs.oracle.com SEAM, clockskew (default 300 s)",
        "vendor document",
    ),
    Profile(
        "kubernetes",
        (warning(30 * NS_PER_S, ThresholdKind.AHEAD), warning(30 * NS_PER_S, ThresholdKind.BEHIND)),
        "offset",
        "Kubernetes draws no line of its own. k0sctl refuses to install a host that is 30 s off the "
        "median of all hosts, for fresh certificates and tokens would not yet be valid there.",
        "github.com/k0sproject/k0sctl phase/validate_hosts.go and pull request 848",
        "source code",
    ),
    Profile(
        "kudu",
        (critical(20 * NS_PER_S), critical(0, ThresholdKind.UNSYNCHRONIZED)),
        "maxerror",
        "A server ends when its clock is not synchronized or the kernel's own maximum error exceeds 10 "
        "s. skewmon carries that over as two lines: not synchronized, and 20 s between two nodes, which "
        "two errors of at most 10 s cannot explain.",
        "docs.cloudera.com Apache Kudu, NTP clock synchronization (max_clock_sync_error_usec 10000000)",
        "vendor document",
    ),
    Profile(
        "loki",
        (critical(10 * _MINUTE, ThresholdKind.AHEAD),),
        "ahead",
        "Lines more than 10 minutes ahead of the distributor's clock are refused and lost; Cortex and "
        "Mimir have the same default.",
        "github.com/grafana/loki and github.com/cortexproject/cortex, creation_grace_period (default 10m)",
        "source code",
    ),
    Profile(
        "mifid",
        (critical(NS_PER_MS, ThresholdKind.UTC), critical(2 * NS_PER_MS)),
        "utc",
        "Business clocks of most trading in the EU may diverge from UTC by at most 1 ms (high-frequency "
        "trading: 100 us; voice trading: 1 s). SSH and NTP to near servers can prove that; to far ones they "
        "cannot, and the verdict is ambiguous: nothing is proven finer than half a round trip. Two clocks "
        "2 ms apart cannot both be within the line. UTC needs references.",
        "Commission Delegated Regulation (EU) 2017/574 (RTS 25), Annex, tables 1 and 2",
        "regulation",
    ),
    Profile(
        "mongodb",
        (critical(365 * 24 * _HOUR, ThresholdKind.AHEAD),),
        "ahead",
        "A node rejects a cluster time more than a year ahead of its wall clock. That is MongoDB's only "
        "line; add a finer one of your own for whatever reads dates from it.",
        "jira.mongodb.org SERVER-27721 (maxAcceptableLogicalClockDriftSecs)",
        "issue thread",
    ),
    Profile(
        "oak",
        (warning(1 * NS_PER_S), critical(5 * NS_PER_S)),
        "pair",
        "The health check of a Sling or Jackrabbit Oak cluster warns at 1 s and is critical at 5 s.",
        "sling.apache.org SynchronizedClocksHealthCheck",
        "vendor document",
    ),
    Profile(
        "opc-ua",
        (warning(5 * _MINUTE),),
        "pair",
        "Secure channels refuse messages of a peer whose clock is 5 minutes off, by the default that the "
        "specification suggests.",
        "reference.opcfoundation.org, OPC UA, clock skew in security checks",
        "vendor document",
    ),
    Profile(
        "oracle-rac",
        (critical(1 * NS_PER_S),),
        "pair",
        "cluvfy comp clocksync fails at 1000 ms of reference time offset, and upgrades and patches "
        "refuse to go on; the cluster time service in observer mode corrects nothing.",
        "docs.oracle.com Clusterware, cluvfy comp clocksync (Reference Time Offset Limit 1000.0 msecs)",
        "vendor document",
    ),
    Profile(
        "prometheus",
        (critical(10 * _MINUTE, ThresholdKind.AHEAD),),
        "ahead",
        "Samples with their own timestamps more than 10 minutes ahead of the server are dropped. Rules "
        "and graphs that compare instances are wrong from the first second.",
        "github.com/prometheus/prometheus scrape/scrape.go (maxAheadTime)",
        "source code",
    ),
    Profile(
        "redis-sentinel",
        (warning(2 * NS_PER_S, ThresholdKind.STEP),),
        "step",
        "A Sentinel whose clock jumps by more than 2 s, or at all backwards, enters TILT mode and takes "
        "no decisions for 30 s: no failover meanwhile.",
        "github.com/redis/redis src/sentinel.c (sentinelCheckTiltCondition)",
        "source code",
    ),
    Profile(
        "tidb",
        (warning(150 * NS_PER_MS, ThresholdKind.STEP),),
        "step",
        "PD warns when its clock moved by more than 150 ms between two updates; while the clock lies "
        "behind, timestamps come from the logical part and may run out, which stops transactions.",
        "github.com/tikv/pd server/tso/tso.go (UpdateTimestampStep 50 ms, three times); docs.pingcap.com "
        "alert rules (TiDB_monitor_time_jump_back_error)",
        "source code",
    ),
    Profile(
        "ydb",
        (warning(1 * NS_PER_MS), critical(5 * NS_PER_MS)),
        "pair",
        "A transaction waits for the slowest clock, so skew is latency. The vendor calls less than 1 ms "
        "normal and more than 5 ms critical; at 25 ms users notice, at 30 s distributed transactions "
        "stop.",
        "ydb.tech/docs/en/troubleshooting/performance/system/system-clock-drift",
        "vendor document",
    ),
    Profile(
        "yugabytedb",
        (critical(500 * NS_PER_MS),),
        "pair",
        "A server that sees more than max_clock_skew_usec (500 ms) ends itself, for beyond it reads may "
        "miss committed writes.",
        "docs.yugabyte.com system configuration; github.com/yugabyte/yugabyte-db "
        "src/yb/server/hybrid_clock.cc",
        "vendor document",
    ),
)

#: Every profile by its name, as ``profile:`` of a cluster and ``--profile`` take it.
PROFILES: dict[str, Profile] = {profile.name: profile for profile in _ALL}
