from tests.support.fixtures import by_hand, files

__all__ = ["by_hand", "files"]
