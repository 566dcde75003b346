use strict;
use Errno qw(EAGAIN EINPROGRESS EINTR);
use Fcntl;
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY);
# The relay of skewmon, as in relay_python3.py, where the frames are described; under Perl 5.14 or later, with Time::HiRes.
# Double quotes only, because a shell hands it over in single quotes.
eval { require Time::HiRes; Time::HiRes::clock_gettime(4) > 0 } or exit 77;
$^O eq "linux" or exit 77;
eval { my $wide = pack("Q>", 1); 1 } or exit 77;
# Before Perl 5.14 it would end at the first connection.
defined &Socket::getaddrinfo or exit 77;
my ($nonce, $listed) = @ARGV;

# The limits of relay_python3.py.
my ($STREAMS_MAX, $WINDOW_BYTES, $READ_BYTES, $FRAME_BYTES_MAX, $LOOKUPS_MAX) = (1024, 65536, 4096, 16384, 64);
my ($IDLE_S, $REPORTS_HELD, $SMALL_BYTES, $HELD_S, $BURSTS_MAX, $BURST_S) = (300, 64, 1024, 0.05, 4, 0.005);
my ($HEADER, $HEADER_BYTES, $RAW) = ("a1NNQ>N", 21, 4);
my $START = "\n$nonce start\n";

# A double holds seconds to the nearest 2**-22 s (238 ns); it is printed without a second rounding.
sub ns { my $text = sprintf("%.9f", Time::HiRes::clock_gettime($_[0])); $text =~ s/\.//; $text =~ s/^0+(?=\d)//; return $text; }
sub quantum { my $step = int(Time::HiRes::clock_getres($_[0]) * 1e9 + 0.5); return "239," . (239 + ($step > 1 ? $step : 1)); }
sub slurp { open(my $file, "<", $_[0]) or return "-"; my $text = <$file>; defined $text or return "-"; $text =~ s/\s+//g; return $text; }
sub say_line { syswrite(STDOUT, "\nSKEWMON1 $nonce $_[0]\n"); }

my (%streams, %sockets, %lookups, %targets, @out, $urgent, @waiting, %under_way);
my ($reading, $writing) = ("", "");

sub put {
    my ($kind, $ident, $number, $stamp, $payload, $waits) = @_;
    $urgent ||= !$waits;
    push @out, pack($HEADER, $kind, $ident, $number, $stamp, length $payload) . $payload;
}

sub flush {
    my $data = join("", @out);
    @out = ();
    $urgent = 0;
    while (length $data) {
        my $count = syswrite(STDOUT, $data);
        next if !defined $count && $!{EINTR};
        defined $count or exit 0;
        substr($data, 0, $count, "");
    }
}

sub may_write {
    my ($stream) = @_;
    my @turns = map { $_->[3] } @{$stream->{queue}};
    return scalar @turns if grep { !$_ } @turns;
    return @turns && ($turns[0] == 2 ? exists $under_way{$stream->{ident}} : !$stream->{asked});
}

sub begin_bursts {
    my $now = Time::HiRes::clock_gettime(1);
    for my $ident (keys %under_way) {
        my ($stream, $began) = @{$under_way{$ident}};
        my $ended = !$stream->{socket} || !(@{$stream->{queue}} || $stream->{asked});
        delete $under_way{$ident} if $ended || $now - $began > $BURST_S;
    }
    my $at = 0;
    while ($at < @waiting && keys %under_way < $BURSTS_MAX) {
        my $stream = $waiting[$at];
        my @turns = map { $_->[3] } @{$stream->{queue}};
        if ($stream->{socket} && @turns && $turns[0] != 2 && grep { $_ == 2 } @turns) {
            $at++;  # its last burst has not ended
            next;
        }
        splice(@waiting, $at, 1);
        next unless $stream->{socket} && @turns && $turns[0] == 2;
        $under_way{$stream->{ident}} = [$stream, $now];
        write_on($stream);
    }
}

sub watch {
    # Reads while the other side takes what is read; writes while something may go, or the connection is being made.
    my ($stream) = @_;
    my $fd = fileno($stream->{socket});
    vec($reading, $fd, 1) = $stream->{open} && $stream->{window} > 0 ? 1 : 0;
    vec($writing, $fd, 1) = may_write($stream) || !$stream->{open} ? 1 : 0;
}

sub hang_up {
    my ($stream) = @_;
    my $socket = delete $stream->{socket} or return;
    my $fd = fileno($socket);
    delete $sockets{$fd};
    vec($reading, $fd, 1) = vec($writing, $fd, 1) = 0;
    close $socket;
}

sub end {
    my ($stream, $reason) = @_;
    hang_up($stream);
    delete $streams{$stream->{ident}};
    put("C", $stream->{ident}, 0, 0, substr($reason, 0, 200)) if defined $reason;
}

sub allowed {
    # Only root may have written the list: whoever may change it decides where this machine connects to.
    open(my $file, "<", $listed) or die "$!\n";
    my @facts = stat($file);
    die "it is not owned by root, or others may write it\n" if $facts[4] != 0 || $facts[2] & 022;
    while (my $line = <$file>) {
        $line =~ s/^\s+|\s+$//g;
        $targets{$line} = 1 if length $line && $line !~ /^#/;
    }
}

sub addresses {
    my ($host, $port, $numeric) = @_;
    my %hints = (socktype => SOCK_STREAM, flags => $numeric ? Socket::AI_NUMERICHOST() : 0);
    my ($error, @found) = Socket::getaddrinfo($host, $port, \%hints);
    return $error ? () : @found;
}

sub open_stream {
    my ($ident, $target) = @_;
    return if $streams{$ident};
    my $stream = { ident => $ident, queue => [], held => 0, asked => 0, window => $WINDOW_BYTES };
    return end($stream, "too many connections through this relay") if keys %streams >= $STREAMS_MAX;
    # The text itself is compared, not the address it stands for: another spelling is another target.
    return end($stream, "not a target in $listed") if $listed && !$targets{$target};
    my ($host, $port) = $target =~ /\A(\S+) (\d{1,5})\z/;
    return end($stream, "not an address and a port") unless defined $port && $port > 0 && $port < 65536;
    $streams{$ident} = $stream;
    my @found = addresses($host, $port, 1);
    return join_up($stream, @found) if @found;
    $listed ? end($stream, "not a numeric address") : look_up($stream, $host, $port);
}

sub look_up {
    # A name server may take its time; a child waits for it, and the relay goes on.
    my ($stream, $host, $port) = @_;
    return end($stream, "too many names are being looked up") if keys %lookups >= $LOOKUPS_MAX;
    pipe(my $near, my $far) or return end($stream, "$!");
    my $child = fork;
    if (defined $child && $child == 0) {
        # What it inherits would keep connections open that end meanwhile.
        close $_ for (*STDIN, *STDOUT, $near, map({ $_->{socket} } values %sockets), map({ $_->[2] } values %lookups));
        my @texts = map { (Socket::getnameinfo($_->{addr}, Socket::NI_NUMERICHOST() | Socket::NI_NUMERICSERV()))[1] } addresses($host, $port, 0);
        syswrite($far, join(" ", @texts));
        require POSIX;
        POSIX::_exit(0);
    }
    close $far;
    my $fd = fileno($near);
    $lookups{$fd} = [$stream, $port, $near];
    vec($reading, $fd, 1) = 1;
}

sub looked_up {
    my ($fd) = @_;
    my ($stream, $port, $near) = @{delete $lookups{$fd}};
    sysread($near, my $text, $READ_BYTES);
    vec($reading, $fd, 1) = 0;
    close $near;
    return unless ($streams{$stream->{ident}} || 0) == $stream;
    my @found = map { addresses($_, $port, 1) } split " ", $text || "";
    @found ? join_up($stream, @found) : end($stream, "the name does not resolve");
}

sub join_up {
    my ($stream, @places) = @_;
    my $error = "no address";
    while (my $place = shift @places) {
        if (socket(my $socket, $place->{family}, SOCK_STREAM, 0)) {
            fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK);
            setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
            $stream->{socket} = $socket;
            $stream->{places} = [@places];
            $sockets{fileno $socket} = $stream;
            watch($stream);
            return if connect($socket, $place->{addr}) || $!{EINPROGRESS};
            $error = "$!";
            hang_up($stream);
        } else {
            $error = "$!";
        }
    }
    end($stream, $error);
}

sub joined {
    my ($stream) = @_;
    $! = unpack("i", getsockopt($stream->{socket}, SOL_SOCKET, SO_ERROR));
    if ($! + 0) {
        my $reason = "$!";
        hang_up($stream);
        return @{$stream->{places}} ? join_up($stream, @{$stream->{places}}) : end($stream, $reason);
    }
    $stream->{open} = 1;
    put("O", $stream->{ident}, 0, 0, "");
    write_on($stream);
}

sub write_on {
    # The stamp is read before the first byte leaves, and reported once the last one did.
    my ($stream) = @_;
    while (may_write($stream)) {
        my $frame = $stream->{queue}[0];
        $frame->[2] ||= ns($RAW);
        my $count = syswrite($stream->{socket}, $frame->[1]);
        return end($stream, "$!") unless defined $count || $!{EAGAIN};
        $stream->{held} -= $count || 0;
        if (($count || 0) < length $frame->[1]) {
            substr($frame->[1], 0, $count || 0, "");
            $frame->[3] = 0;
            last;
        }
        shift @{$stream->{queue}};
        $stream->{asked} = 1;
        put("S", $stream->{ident}, $frame->[0], $frame->[2], "", $count < $SMALL_BYTES);
    }
    watch($stream);
}

sub arrive {
    # Returns the bytes and their stamp, which is read after them.
    my ($stream) = @_;
    my $most = $stream->{window} < $READ_BYTES ? $stream->{window} : $READ_BYTES;
    my $count = sysread($stream->{socket}, my $data, $most);
    my $stamp = ns($RAW);
    return [$stream, $data, $stamp] if defined $count;
    end($stream, "$!") unless $!{EAGAIN};
    return;
}

sub forward {
    my ($stream, $data, $stamp) = @_;
    return end($stream, "closed by the node") unless length $data;
    put("D", $stream->{ident}, 0, $stamp, $data, @{$stream->{queue}} && $stream->{queue}[0][3] == 1);
    $stream->{window} -= length $data;
    $stream->{asked} = 0;
    @{$stream->{queue}} ? write_on($stream) : watch($stream);
}

sub obey {
    my ($kind, $ident, $number, $turn, $payload) = @_;
    my $stream = $streams{$ident};
    if ($kind eq "P") {
        put("P", 0, $number, 0, join(" ", map { ns($_) } (0, $RAW, 1, 7, $RAW, 0)));
    } elsif ($kind eq "O") {
        open_stream($ident, $payload);
    } elsif (!$stream) {
        return;
    } elsif ($kind eq "D") {
        push @{$stream->{queue}}, [$number, $payload, 0, $turn];
        $stream->{held} += length $payload;
        push @waiting, $stream if $turn == 2;
        return end($stream, "too many bytes in flight") if $stream->{held} > $WINDOW_BYTES;
        write_on($stream) if $stream->{open};
    } elsif ($kind eq "W") {
        $stream->{window} += $number;
        $stream->{window} = $WINDOW_BYTES if $stream->{window} > $WINDOW_BYTES;
        watch($stream) if $stream->{open};
    } elsif ($kind eq "C") {
        end($stream);
    }
}

sub take {
    # Obeys every whole frame and returns what is left of the last one, and whether frames are expected next.
    my ($pending, $started) = @_;
    if (!$started) {
        my $at = index($pending, $START);
        return (substr($pending, length $pending > length $START ? -length $START : 0), 0) if $at < 0;
        $pending = substr($pending, $at + length $START);
    }
    while (length $pending >= $HEADER_BYTES) {
        my ($kind, $ident, $number, $turn, $length) = unpack($HEADER, $pending);
        if ($length > $FRAME_BYTES_MAX || $kind !~ /\A[ODWCP]\z/) {
            end($_, "lost the thread") for values %streams;
            return ("", 0);
        }
        last if length $pending < $HEADER_BYTES + $length;
        my $frame = substr($pending, 0, $HEADER_BYTES + $length, "");
        obey($kind, $ident, $number, $turn, substr($frame, $HEADER_BYTES));
    }
    return ($pending, 1);
}

if (defined $listed && length $listed) {
    eval { allowed(); 1 } or do { my $why = $@; $why =~ s/\s+/ /g; say_line("refused $listed: $why"); exit 0; };
} else {
    $listed = "";
}
$SIG{CHLD} = "IGNORE";
$SIG{PIPE} = "IGNORE";
binmode STDOUT;
my $hello = "hello probe=perl real=" . quantum(0) . " raw=" . quantum($RAW) . " mono=" . quantum(1) . " boot=" . quantum(7);
$hello .= " boot_id=" . slurp("/proc/sys/kernel/random/boot_id");
$hello .= " clocksource=" . slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource");
say_line("$hello turns=1 relay=" . ($listed ? "listed" : "any"));
# The start line may follow directly on the line that started this program.
my ($pending, $started, $heard) = ("\n", 0, time);
vec($reading, 0, 1) = 1;
while (time - $heard < $IDLE_S) {
    my $most = @waiting ? $BURST_S : @out ? $HELD_S : $IDLE_S;
    my $found = select(my $readable = $reading, my $writable = $writing, undef, $most);
    next if $found < 0;
    # Everything that has arrived gets its stamp before anything else is done.
    my @ready = map { [$_, $sockets{$_}] } grep { vec($readable, $_, 1) || vec($writable, $_, 1) } keys %sockets;
    my @arrived = map { arrive($_->[1]) } grep { $_->[1]{open} && vec($readable, $_->[0], 1) } @ready;
    looked_up($_) for grep { vec($readable, $_, 1) } keys %lookups;
    for my $one (@ready) {
        my ($fd, $stream) = @$one;
        next unless $stream->{socket} && vec($writable, $fd, 1);
        $stream->{open} ? write_on($stream) : joined($stream);
    }
    forward(@$_) for grep { $_->[0]{socket} } @arrived;
    if (vec($readable, 0, 1)) {
        my $count = sysread(STDIN, my $piece, $READ_BYTES);
        exit 0 unless $count;
        $heard = time;
        ($pending, $started) = take($pending . $piece, $started);
    }
    begin_bursts();
    flush() if $urgent || @out > $REPORTS_HELD || !$found;
}
exit 0;
