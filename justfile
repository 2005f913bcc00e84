set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

# Make the environment, or bring it up to date
setup:
    ./dev setup
