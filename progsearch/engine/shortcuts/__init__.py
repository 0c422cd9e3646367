"""What spares work and changes no number: each a `Shortcut`, so that each can be left out."""
