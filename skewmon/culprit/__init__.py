"""Which clocks are wrong: by confirmed UTC, then by a vote of machines on proven distances. Pure.

A node's claims can only withhold a name. Confirmed UTC is what a majority of the time servers that skewmon
queries itself agree on. A clock that is proven further from it than the line is wrong, even if most clocks
show the same time; it has no vote on the others. A clock that is proven within the line is never named.

The *machines* that vote are the measured nodes, and the admin box while its own time daemon is
synchronized. Names with one boot id and intervals that meet are one machine. A node is an *outlier* if it
is proven beyond the line from more than half of the other machines and from more than half of the other
names; the outliers must be a strict minority of the machines. Clocks of one axis are compared there, all
others on the common line. Outliers that agree with each other, on two
machines or more, are a *camp*. A camp is *disputed* if it has a source of its own and its opponents have,
between them, no more sources than it has.

The first row that applies decides:

| case | named | reason |
|---|---|---|
| the node is proven beyond the line from confirmed UTC | this node | UTC is right, however many disagree |
| the node is proven within the line of confirmed UTC | not this node | UTC agrees with it |
| no two nodes are proven beyond the line from each other | no node (`none`) | no clock is proven wrong |
| no outliers, or half of the machines or more | no node (`undetermined`) | no majority agrees |
| the outlier is in a disputed camp | not this node | either side may share the error of its source |
| any other outlier | this node | most clocks disagree, and no claim can clear it |

The rows from the third on count the clocks that the first row does not name. If the last two rows name no
node, and the first named none, the verdict is `undetermined`. Only the first row can name half of the
machines or more, or decide between two nodes when the admin box has no vote. UTC that is unconfirmed or
ambiguous decides nothing: the first two rows are skipped.

A node that is missing for a moment counts as a voter that rejects no clock. If it has a source that no
opponent has, it may also stand with an outlier, and two are a camp.

*Theorem.* Let the intervals of honest machines contain the truth, each on its own axis and on the common
line, and let honest machines be within the line of each other. If they are a strict majority of the machines,
or of the names, then no honest node is named, whatever other clocks show and claim. (A machine that lies
about its boot id is as many machines as it has names; machines that truly share one, as clones of a virtual
machine's memory do, are one.)

*Proof.* A machine votes with the hull of its names' intervals: on their axis and on the common line, or, if
they are on several axes, on the common line alone. On whichever line two honest clocks are compared, both
intervals contain their true offsets there, and the zero of a line is the same for all clocks on it. So a
voter with an honest name is never proven beyond the line from an honest clock. By names: of n voters k are
not honest, 2k < n, so that at most k <= (n - 1) / 2 of the n - 1 others reject an honest clock. By machines:
let h honest stand against k others, h > k. Names with one boot id are grouped on a single line, their axis or
the common one, so that the first intervals of the groups are disjoint there. The intervals of one machine
are not, since all contain its clock, so that each machine begins at most one group, and at most k groups have
no honest name. Each of the h honest boot ids has a group with an honest name. If k' of the n groups have
none, then n >= h + k' > 2k', and at most k' of the n - 1 others reject an honest clock: not more than half.
All other rules only take names away. QED.

That an interval on the axis of a vantage contains the truth rests on the vantage's stamps (H8 of
docs/measurement.md): a vantage that lies is as many liars as it has nodes.

*Theorem for UTC.* Let hypothesis H9 hold: the interval of confirmed UTC contains UTC. Then no node whose
interval contains its clock, and whose clock is within the line of UTC, is named by the first row, even if it
is alone against all others. If, besides, honest machines are within the line of UTC and of each other, and
are a strict majority, no honest node is named by any row.

*Proof.* The offset to UTC is the difference of two intervals, each of which contains its clock, so it
contains the true distance. That is at most the line, so the interval is not proven beyond it. The clocks
that lose their vote are therefore not honest: h honest machines against k others are, after the first row, h
against at most k, and the theorem above holds for these. The second row only takes names away. QED.

*At most, k liars can withhold names:* by agreeing with an outlier and claiming a source of their own, by
copying the boot id of a right machine, which costs it its vote, or by turning the majority into a minority.
"""
