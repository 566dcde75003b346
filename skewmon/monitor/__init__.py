"""One round and its parts: state, status polling, measurement, evaluation."""
