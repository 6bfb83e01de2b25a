"""What builds, checks and describes the deployment; nothing of it is part of the service."""
