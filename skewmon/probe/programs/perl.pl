use strict;
# Runs on the node under Perl 5.8.9 or later; double quotes only, because the shell hands it over in single quotes.
eval { require Time::HiRes; Time::HiRes::clock_gettime(0) > 0 } or exit 77;
my $nonce = $ARGV[0];
my $linux = $^O eq "linux";
sub slurp { open(my $file, "<", $_[0]) or return "-"; my $text = <$file>; defined $text or return "-"; $text =~ s/\s+//g; return $text; }
# A double holds seconds since 1970 to the nearest 2**-22 s (238 ns); it is printed without a second rounding.
sub ns { my $text = sprintf("%.9f", $_[0]); $text =~ s/\.//; $text =~ s/^0+(?=\d)//; return $text; }
sub quantum { my $step = int(Time::HiRes::clock_getres($_[0]) * 1e9 + 0.5); return "239," . (239 + ($step > 1 ? $step : 1)); }
$| = 1;
my $hello = "SKEWMON1 $nonce hello probe=perl real=" . quantum(0);
$hello .= " raw=" . quantum(4) . " mono=" . quantum(1) . " boot=" . quantum(7) if $linux;
$hello .= " boot_id=" . slurp("/proc/sys/kernel/random/boot_id");
$hello .= " clocksource=" . slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource");
syswrite(STDOUT, "\n$hello\n");
my $pending = "";
while (sysread(STDIN, my $piece, 65536)) {
    my @clocks = map { Time::HiRes::clock_gettime($_) } ($linux ? (0, 4, 1, 7, 4, 0) : (0));
    $pending .= $piece;
    $pending = substr($pending, -65536) if length($pending) > 65536;
    next unless $pending =~ /\n\z/;
    for my $line (split /\n/, $pending) {
        next unless $line =~ /^\Q$nonce\E (\d+)\s*$/;
        my $id = $1;
        my @texts = map { ns($_) } @clocks;
        @texts = ($texts[0], ("-") x 4, $texts[0]) unless $linux;
        syswrite(STDOUT, "$nonce $id @texts\n");
    }
    $pending = "";
}
