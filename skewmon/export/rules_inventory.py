"""Prometheus rules on live inventories: name, expression, severity and wait, summary, description."""

from skewmon.model import Threshold

#: A window has five refreshes, so that one failed scrape or refresh neither begins nor ends an alert.
INVENTORY_RULES = (
    (
        "SkewmonInventoryUnreadable",
        "max_over_time(skewmon_inventory_last_read_successful[5m]) == 0",
        Threshold("warning", 0, for_s=300.0),
        "skewmon cannot read a live inventory.",
        (
            "{{ $labels.inventory }} of {{ $labels.cluster_name }} cannot be read. Its last answer counts; "
            "new nodes are not measured."
        ),
    ),
    (
        "SkewmonInventoryEntryRejected",
        "min_over_time(skewmon_inventory_rejected_entries[5m]) > 0",
        Threshold("warning", 0, for_s=300.0),
        "A live inventory has entries that are not measured.",
        (
            "Entries of {{ $labels.inventory }} of {{ $labels.cluster_name }} that cannot be nodes: "
            "{{ $value }}. The finding inventory-entry-rejected names them."
        ),
    ),
)
