#
# On a vantage it also relays: it connects to the places in @PATH@.targets, each a line with a numeric
# ADDRESS PORT, and to nothing else. The file belongs to root, and nobody else may write it. The relay passes bytes
# that it cannot read, and stamps them with this machine's clock.
@LADDER@
relay)
@RELAY@
    skewmon_relay "$nonce" "@PATH@.targets"
    ;;
