"""Which trial comes next and which one stops; no Ray and no torch."""
