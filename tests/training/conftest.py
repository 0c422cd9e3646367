from tests.support.fixtures import by_hand, exported, files

__all__ = ["by_hand", "exported", "files"]
