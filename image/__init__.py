"""What makes the platform tree and puts it into a base; none of it is the daemon's."""
