set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

venv := justfile_directory() / ".venv"
export PATH := venv / "bin:" + venv / "tools/bin:" + env("PATH")
export PYTHONDONTWRITEBYTECODE := "" # images set it; each of thousands of processes would compile what it imports

# List the recipes
_help:
    @just --list --unsorted

# Make the environment, or bring it up to date
setup:
    ./dev setup

# Install the workspace into the environment again
install:
    rm -f .venv/made-from
    ./dev setup

# More tests at once than there are processors, as many tests wait; in the order of `testpaths`, which ends with short ones
at_once := "--numprocesses=4 --dist=loadfile --no-loadscope-reorder"

# Run the tests of a package (pryv, pryv-socket-io, pryv-monitor, pryv-encryption, pryv-backup, pryv-fleet, sandbox, workspace) or of `all`
test package *params:
    pytest {{ if package == "all" { at_once } else { "tests/" + replace(trim_start_match(package, "pryv-"), "-", "_") } }} "${@:2}"

# Run tests, stopping in the debugger at a failure
test-debug package *params:
    just test "$1" --numprocesses=0 --timeout=0 --capture=no --pdb "${@:2}"

# Run tests and show the lines that were not covered
test-cover package *params:
    just test "$1" --cov --cov-report=term --cov-report=html "${@:2}"

# Check the coverage that `test all --cov` measured: each package has its floor, in percent of lines and branches
coverage-floors:
    coverage report --include='packages/pryv/*' --fail-under=97
    coverage report --include='packages/pryv-socket-io/*' --fail-under=97
    coverage report --include='packages/pryv-monitor/*' --fail-under=97
    coverage report --include='packages/pryv-encryption/*' --fail-under=98
    coverage report --include='packages/pryv-backup/*' --fail-under=95
    coverage report --include='packages/pryv-fleet/*' --fail-under=94
    coverage report --include='packages/pryv-sandbox/*' --fail-under=96

# Run the tests that take minutes
test-long package="all" *params:
    just test "{{ package }}" -m long --timeout=7200 "${@:2}"

# Check code style
lint *params:
    ruff check "$@"
    ruff format --check

# Format the code, and mend what can be mended
format:
    ruff check --fix --exit-zero
    ruff format

# Check types
typecheck *params:
    mypy "$@"
    pyright

# Write a real recording into an account and read it back; `demo fleet`: 200 accounts, two workers, one of them killed
demo *params:
    if [[ "${1:-}" == fleet ]]; then python examples/demo/fleet_demo.py "${@:2}"; else python examples/demo "$@"; fi

# Run the notebooks, and store what their cells display
notebooks:
    python tools/notebook.py examples/*.ipynb

# Start a Pryv.io platform on this machine
sandbox *params:
    python -m pryv_sandbox "$@"

# Measure the SDK against its references (--tiny: see that it works; rows can be named)
bench *params:
    python benchmarks/bench.py "$@"

# Write the tables and charts of docs/performance.md from the JSON of a run
figures report:
    python benchmarks/figures.py "$@"

# Build the documentation into docs/_build; a broken link or a missing docstring fails
docs *params:
    sphinx-build --quiet --builder html --fail-on-warning --keep-going --nitpicky docs docs/_build "$@"

# Resolve the dependencies into constraints.txt; with --upgrade, to the newest versions
constraints *params:
    uv pip compile --quiet --no-python-downloads --no-header --no-annotate --universal --python-version 3.10 --all-extras \
        --group dev --group bootstrap packages/*/pyproject.toml \
        --no-emit-package pryv --no-emit-package pryv-socket-io --no-emit-package pryv-monitor --output-file constraints.txt "$@"

# Set every version and sibling pin, open the changelog's section, commit and tag
version version:
    git diff --quiet HEAD || { echo "Commit your changes first." >&2; exit 1; }
    ! git rev-parse --quiet --verify "refs/tags/v$1" || { echo "There is a tag v$1 already." >&2; exit 1; }
    python tools/version.py "$1"
    git commit --quiet --all --message "Version $1"
    git tag --annotate "v$1" --message "Version $1"

# Build the sdists and wheels of all packages into dist/
build:
    rm -rf dist
    for package in packages/*/; do python -m build --no-isolation --outdir dist "$package" > /dev/null; done
    twine check --strict dist/*

# Build, and check each sdist and wheel in a fresh environment (--quick: wheels only, without their tests)
release-check *params: build
    python tools/release_check.py "$@"

# Check a tagged version and upload it: TWINE_USERNAME and TWINE_PASSWORD are the credentials, parameters go to twine
publish *params: _publishable release-check
    python tools/publish.py "$@"

_publishable:
    python tools/publish.py --check

# List the public names that were removed or changed since the last version; fails if there are any
api-diff:
    python tools/api_diff.py

# Run the tests of the packages with the oldest dependencies that they allow
test-oldest *params:
    python tools/test_versions.py oldest "$@"

# Run the tests of the packages with the newest releases of their dependencies
test-newest *params:
    python tools/test_versions.py newest "$@"

# Run all tests of what is committed with another Python (its name or path)
test-python python *params:
    #!/usr/bin/env bash
    set -euo pipefail
    clone=$(mktemp -d)
    trap 'rm -rf "$clone"' EXIT
    git clone --quiet . "$clone"
    "$1" "$clone/dev" test all "${@:2}"

# Remove what was built, measured and cached (`.venv` stays)
clean:
    rm -rf dist docs/_build htmlcov .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache examples/demo/*.png
    find packages tests tools examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
