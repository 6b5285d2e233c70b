"""stub"""


def quantise_network(*a):
    raise NotImplementedError


def quantise_steps(*a):
    raise NotImplementedError
