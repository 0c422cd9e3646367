"""What spares work and changes no number; the loop reads the same with all of them off."""
