"""The doctor: facts about one node and its machine (`look`), and pure rules that judge them."""
