"""Conformance checks, which plugin authors call in their own tests, and test beds where the right answers are known.

There is one module for each kind of component, with a `check_KIND` that calls all checks of the module. A check tests what the
contract promises for every component of its kind; its message says what is wrong and what to do. Checks raise AssertionError
through `harness.testing.expect.expect` and never use a bare `assert`, which `python -O` removes.

configs         any component: settings, name and summary, targets, and the weight of a plugin's top module
models          models, and the capabilities they declare (`capabilities`, `token_capabilities`)
methods, samplers, metrics, extractors, datasets, executors
global_state    the global state of the process, which methods must leave alone
listeners       hooks that report events
trackers        what `harness run --track` switches on
presets         published networks and their files: presets, layouts
task            a task without a board, a disk or a loop, for tests of methods
mixture         Gaussian mixtures, whose densities, samples and perfect networks are known
suites          the checks of every installed component, on the models where it will be used: `harness check`
conformance     the same suites under pytest: `pytest --pyargs harness.testing.conformance`
golden          comparison with stored outputs of reference implementations
"""
