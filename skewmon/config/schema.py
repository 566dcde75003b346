"""The configuration file, key by key. The names of attributes carry their unit; those of keys do not."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from skewmon.alert.thresholds import check_profile, in_force
from skewmon.config import limits, paths
from skewmon.config.address import parse_listen
from skewmon.config.base import Exactly, Spec
from skewmon.config.fields import (
    DriftLimit,
    Duration,
    Expression,
    Hops,
    Host,
    Limit,
    Name,
    PlainPath,
    PlainPaths,
    Port,
    ProxyCommand,
    Samples,
    SecretPath,
    SecretPaths,
    Url,
    User,
    VantageName,
    duration_within,
    refuse,
    refused_by,
)
from skewmon.config.receivers import AlertsSpec
from skewmon.config.references import ReferenceEntry, time_servers
from skewmon.config.shard import ShardSpec
from skewmon.config.targets import expand
from skewmon.errors import echoed
from skewmon.model import DEFAULT_USER, NS_PER_S, Threshold, ThresholdKind

#: In the range that the list of exporters gives out since 9100-9999 is full.
DEFAULT_LISTEN = "127.0.0.1:10061"

#: Two weeks in minutes answer "what happened that night"; five years in hours, what auditors ask for.
NS_PER_DAY = 86_400 * NS_PER_S
DEFAULT_MINUTES_KEPT_NS = 14 * NS_PER_DAY
DEFAULT_HOURS_KEPT_NS = 1_826 * NS_PER_DAY

#: The files that `skewmon keys` writes.
DEFAULT_IDENTITY = "/etc/skewmon/ssh/id_ed25519"
DEFAULT_KNOWN_HOSTS = "/etc/skewmon/ssh/known_hosts"
DEFAULT_PORT = 22
DEFAULT_CONNECT_TIMEOUT_NS = 10 * NS_PER_S


class WebSpec(Spec):
    """The address and the protection of page, metrics and API."""

    listen: Annotated[str, AfterValidator(refused_by(parse_listen))] = Field(
        DEFAULT_LISTEN, description="host:port; [::1]:10061 for IPv6, :10061 for every address"
    )
    external_url: Url | None = Field(
        None, description="address of the page in links of alerts; by default that of listen"
    )
    config_file: PlainPath | None = Field(
        None, description="TLS and basic auth, in the format of Prometheus exporter-toolkit"
    )


class SshSpec(Spec):
    """How nodes are logged in to; a cluster's keys go before the defaults, a node's before both."""

    user: User | None = Field(None, description=f"login name; {DEFAULT_USER} by default")
    advice_user: User | None = Field(None, description="login name in commands that skewmon advises")
    port: Port | None = Field(None, description=f"port of sshd; {DEFAULT_PORT} by default")
    identity: SecretPaths | None = Field(
        None,
        description="private key, or credential:NAME of systemd, or a list; "
        f"{DEFAULT_IDENTITY} if neither identity nor agent is given",
    )
    agent: bool | None = Field(None, description="use the ssh-agent of SSH_AUTH_SOCK; false by default")
    known_hosts: PlainPaths | None = Field(
        None, description=f"files of host keys, always verified; {DEFAULT_KNOWN_HOSTS} by default"
    )
    host_key_alias: Name | None = Field(None, description="the name to look up in known_hosts instead")
    legacy: bool | None = Field(
        None, description="also SHA-1 algorithms, for servers before OpenSSH 7.2; false by default"
    )
    jump: Hops | None = Field(None, description="bastions as [user@]host[:port], first hop first")
    proxy_command: ProxyCommand | None = Field(
        None, description="a command that carries the connection, as ProxyCommand of OpenSSH; instead of jump"
    )
    vantage: VantageName | None = Field(
        None,
        description="who stamps for a node: auto (the last bastion), none, or [user@]host[:port]",
    )
    connect_timeout_ns: (
        Annotated[Duration, duration_within(limits.MIN_CONNECT_TIMEOUT_NS, limits.MAX_CONNECT_TIMEOUT_NS)]
        | None
    ) = Field(None, alias="connect_timeout", description="for the whole login; 10s by default")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.jump and self.proxy_command:
            raise refuse("expected jump or proxy_command, found both", at="proxy_command")
        return self


class NodeSpec(Spec):
    """One node with settings of its own."""

    name: Name = Field(description="the name in metrics and on the page")
    address: Host | None = Field(None, description="the host to connect to; its name by default")
    port: Port | None = Field(None, description="short for ssh: {port: …}; by NTP, the UDP port")
    transport: Literal["ssh", "ntp"] = Field(
        "ssh", description="ntp: read its clock by NTP, for a machine without a shell"
    )
    ssh: SshSpec = SshSpec()

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.transport == "ntp" and self.ssh != SshSpec():
            raise refuse("settings of ssh do not go with transport: ntp", "remove ssh:", at="ssh")
        if self.port is not None and self.ssh.port is not None:
            raise refuse("expected one port, found two", "keep port or ssh.port", at="port")
        if self.address is None:
            try:
                one = len(expand(self.name)) == 1
            except ValueError:
                raise refuse(
                    f"the name {echoed(self.name)} is no address", "add address:", at="name"
                ) from None
            if not one:
                raise refuse(f"{echoed(self.name)} is a range", "list it as a text of its own", at="name")
        return self


class SourceSpec(Exactly):
    """One live source of nodes."""

    choices: ClassVar = ("ansible", "file_sd", "http_sd", "ssh_config")

    ansible: PlainPath | None = Field(None, description="inventory for ansible-inventory")
    file_sd: PlainPath | None = Field(None, description="Prometheus target files, globs allowed")
    http_sd: Url | None = Field(None, description="Prometheus target list over HTTP")
    headers_file: SecretPath | None = Field(
        None, description="with http_sd: file of headers, one `Name: value` a line"
    )
    ssh_config: PlainPath | None = Field(None, description="OpenSSH client configuration")
    group: Name | None = Field(None, description="with ansible: the group; all hosts by default")
    hosts: Name | None = Field(None, description="with ssh_config: a pattern such as etcd*")

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        owners = (("group", "ansible"), ("hosts", "ssh_config"), ("headers_file", "http_sd"))
        for key, owner in owners:
            if getattr(self, key) is not None and self.choice != owner:
                raise refuse(f"{key} goes with {owner}, not with {self.choice}", at=key)
        if self.choice == "ssh_config" and self.hosts is None:
            raise refuse("expected hosts: beside ssh_config", 'add a pattern such as hosts: "etcd*"')
        return self


class ThresholdSpec(Exactly):
    """One line, and how long it has to be passed."""

    choices: ClassVar = ("skew", "ahead", "behind", "step", "utc", "drift", "unsynchronized", "unreachable")

    severity: Literal["warning", "critical"]
    skew: Limit | None = Field(None, description="between two nodes")
    ahead: Limit | None = Field(None, description="of a node, before the reference")
    behind: Limit | None = Field(None, description="of a node, after the reference")
    step: Limit | None = Field(None, description="a jump of one clock")
    utc: Limit | None = Field(None, description="of a node, before or after UTC; needs references")
    drift: DriftLimit | None = Field(None, description="rate of one clock, such as 100ppm")
    unsynchronized: Literal[True] | None = Field(None, description="its time daemon reports it")
    unreachable: Literal[True] | None = Field(None, description="it cannot be measured")
    for_ns: Duration = Field(0, alias="for", description="fires after this long")
    clear_for_ns: Duration = Field(
        60 * NS_PER_S, alias="clear_for", description="resolves after this long below the line"
    )

    def threshold(self) -> Threshold:
        """Return the line as the model has it."""
        value = getattr(self, self.choice)
        return Threshold(
            severity=self.severity,
            limit_ns=0 if value is True else value,
            kind=ThresholdKind(self.choice),
            for_s=self.for_ns / NS_PER_S,
            clear_for_s=self.clear_for_ns / NS_PER_S,
        )


def _kind_of_node(value: Any) -> str:
    """Return which of the two forms of a node was written."""
    return "mapping" if isinstance(value, dict | NodeSpec) else "text"


RoundInterval = Annotated[Duration, duration_within(limits.MIN_INTERVAL_NS, limits.MAX_INTERVAL_NS)]
NodeEntry = Annotated[
    Annotated[Expression, Tag("text")] | Annotated[NodeSpec, Tag("mapping")], Discriminator(_kind_of_node)
]


class ClusterSpec(Spec):
    """Nodes that must agree on the time."""

    nodes: tuple[NodeEntry, ...] = Field((), description="texts such as etcd[1-3].example.com, or mappings")
    inventory: tuple[SourceSpec, ...] = Field((), max_length=limits.MAX_SOURCES)
    ssh: SshSpec = SshSpec()
    interval_ns: RoundInterval = Field(
        15 * NS_PER_S, alias="interval", description="a round starts this often"
    )
    status_interval_ns: RoundInterval = Field(
        60 * NS_PER_S, alias="status_interval", description="time daemons are queried this often"
    )
    samples: Samples = Field(
        "auto", description="exchanges in one burst; auto: as many as the question needs"
    )
    profile: Annotated[str, AfterValidator(refused_by(check_profile))] | None = Field(
        None, description="thresholds by name; `skewmon profiles` lists them"
    )
    thresholds: tuple[ThresholdSpec, ...] = Field((), max_length=limits.MAX_THRESHOLDS)

    @model_validator(mode="after")
    def _has_nodes(self) -> Self:
        if not self.nodes and not self.inventory:
            raise refuse(
                "the cluster has no nodes", "list them under nodes: or name a source under inventory:"
            )
        names: dict[str, str] = {}
        for entry in self.nodes:
            if isinstance(entry, NodeSpec) and names.setdefault(entry.name, entry.address or "") != (
                entry.address or ""
            ):
                raise refuse(
                    f"two nodes are called {echoed(entry.name)}", "give each its own name", at="nodes"
                )
        count = sum(1 if isinstance(entry, NodeSpec) else len(expand(entry)) for entry in self.nodes)
        if count > limits.MAX_NODES:
            raise refuse(f"expected at most {limits.MAX_NODES} nodes, found {count}", at="nodes")
        return self

    @property
    def lines(self) -> tuple[Threshold, ...]:
        """The thresholds in force."""
        return in_force(self.profile, self.own_lines)

    @property
    def own_lines(self) -> tuple[Threshold, ...]:
        """The thresholds that the file gives."""
        return tuple(line.threshold() for line in self.thresholds)


class ExportSpec(Spec):
    """The volume of exported series."""

    pairs: Literal["auto", "all", "worst", "none"] = Field(
        "auto", description="pair series: auto is all up to 2,000, else the worst ones"
    )


class RecordSpec(Spec):
    """How long the record of offsets and skew is kept."""

    minutes_ns: Annotated[
        Duration, duration_within(limits.MIN_MINUTES_KEPT_NS, limits.MAX_MINUTES_KEPT_NS)
    ] = Field(DEFAULT_MINUTES_KEPT_NS, alias="minutes", description="keep minutes for so much recorded time")
    hours_ns: Annotated[Duration, duration_within(limits.MIN_HOURS_KEPT_NS, limits.MAX_HOURS_KEPT_NS)] = (
        Field(DEFAULT_HOURS_KEPT_NS, alias="hours", description="keep hours for so much; five years")
    )


class Config(Spec):
    """A whole configuration."""

    web: WebSpec = WebSpec()
    state_directory: PlainPath = Field(default_factory=paths.default_state_directory)
    ssh: SshSpec = SshSpec()
    clusters: dict[Name, ClusterSpec] = Field(min_length=1, max_length=limits.MAX_CLUSTERS)
    references: tuple[ReferenceEntry, ...] = Field(
        (),
        max_length=limits.MAX_REFERENCES,
        description="NTP servers to query for UTC; three or more can have a majority",
    )
    shard: ShardSpec | None = Field(None, description="measure only a share of the nodes; by default all")
    alerts: AlertsSpec = AlertsSpec()
    export: ExportSpec = ExportSpec()
    record: RecordSpec = RecordSpec()

    @model_validator(mode="after")
    def _different_references(self) -> Self:
        servers = [(one.address, one.port) for one in time_servers(self.references)]
        for number, server in enumerate(servers):
            if server in servers[:number]:
                raise refuse(f"{echoed(server[0])} is listed twice", "keep one of them", at="references")
        return self
