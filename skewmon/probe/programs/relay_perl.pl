use strict;
exit 77;
