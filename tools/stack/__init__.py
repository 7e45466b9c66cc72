"""`make stack`: the sample service with everything around it, as processes on loopback."""
