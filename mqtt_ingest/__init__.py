"""Devices in: payload decoders, device bindings, clock trust, and the bridge from MQTT to Kafka."""
