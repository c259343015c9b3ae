"""From any source to a store: plan, write whole chunks, verify, finalise."""
