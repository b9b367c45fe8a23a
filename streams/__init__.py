"""The pure core (state, rules, alert life cycle) and, around it, the Faust worker, its store and the senders."""
