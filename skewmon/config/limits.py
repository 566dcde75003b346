"""Every limit of a configuration, each with its reason."""

from skewmon.model import NS_PER_S

#: A configuration of 10,000 nodes, one a line, is about 300 KB; more is a wrong file.
MAX_FILE_BYTES = 4 * 1024 * 1024

#: The schema is seven levels deep; deeper nesting is a slip or an attack on the parser's stack.
MAX_DEPTH = 24

#: Values after aliases are expanded: 10,000 nodes with five keys each, and room. Stops alias bombs.
MAX_VALUES = 250_000

#: A longer list does not help to repair a file.
MAX_FAULTS = 50

#: Faults that are located in the file; each search passes over the keys before it. More are located than
#: shown, because the first ones in the file are shown.
MAX_EXPLAINED = 10 * MAX_FAULTS

#: The most that one admin box measures in one round a minute (bench: 10,000 nodes on one core).
MAX_NODES = 10_000

#: Clusters share the nodes; hundreds would be one per service, thousands a generator gone wrong.
MAX_CLUSTERS = 1_000

#: Names become label values, file names of reports and columns of a table.
MAX_NAME_LENGTH = 253

#: Below a second, rounds of distant nodes would overlap.
MIN_INTERVAL_NS = NS_PER_S

#: A monitor that looks less than once a day is not one.
MAX_INTERVAL_NS = 86_400 * NS_PER_S

#: One exchange is a measurement already; beyond 64 the bound gains nothing that the next round does not.
MIN_SAMPLES = 1
MAX_SAMPLES = 64

#: TCP.
MIN_PORT = 1
MAX_PORT = 65_535

#: A handshake over a slow bastion takes seconds; after two minutes sshd itself gives up (LoginGraceTime).
MIN_CONNECT_TIMEOUT_NS = NS_PER_S // 10
MAX_CONNECT_TIMEOUT_NS = 120 * NS_PER_S

#: sshd's own sources allow longer chains; they are not used in practice.
MAX_HOPS = 8

#: Commands of cloud providers have some 300 characters.
MAX_COMMAND_LENGTH = 4_096

#: Identities offered one by one; sshd disconnects after MaxAuthTries (6) anyway.
MAX_IDENTITIES = 16

#: A pathological drift: 1 in 10 means a broken oscillator, not a threshold.
MAX_DRIFT_PPM = 100_000

#: Receivers of one kind; each gets every alert.
MAX_RECEIVERS = 32

#: At 10,000 nodes a box, more shards than any fleet needs.
MAX_SHARDS = 1_000

#: Lines of thresholds of one cluster; every one is evaluated for every node and round.
MAX_THRESHOLDS = 64

#: Time servers to query for UTC: three make a majority, and a dozen is a careful operator.
MAX_REFERENCES = 32

#: The servers belong to others: their pools ask for at most one request in 64 s, and tolerate one in 16 s.
MIN_REFERENCE_INTERVAL_NS = 16 * NS_PER_S

#: NTP's MAXPOLL, 2^17 s; beyond an hour the base's rate against UTC is no longer known between two requests.
MAX_REFERENCE_INTERVAL_NS = 131_072 * NS_PER_S

#: A report of the last hours needs them; beyond two months, hours say as much as a person can look at.
MIN_MINUTES_KEPT_NS = 3_600 * NS_PER_S
MAX_MINUTES_KEPT_NS = 62 * 86_400 * NS_PER_S

#: A week, so that a weekly report is whole; ten years, the longest duration.
MIN_HOURS_KEPT_NS = 7 * 86_400 * NS_PER_S
MAX_HOURS_KEPT_NS = 3_650 * 86_400 * NS_PER_S

#: Live sources of one cluster; each is read on every refresh.
MAX_SOURCES = 64
