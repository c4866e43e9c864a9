// What the user knows of the tissue: gene sets and a panel of markers; and the runs to characterise.

// The file that a parameter names, [] where it is not given.
def givenFile(options, name) {
    def found = options[name] ? file(options[name], glob: false) : []
    if (found && !found.isFile()) {
        error("Parameters:\n  --${name}: there is no file '${options[name]}'")
    }
    return found
}

// The ids of the runs of --characterise_runs, e.g. ['smart.seed1']; [] for the run that the report shows first.
def characterisedRuns(options, methods) {
    def wanted = (options.characterise_runs ?: '').tokenize(', ').unique()
    def known = (methods*.name + (options.weave ? ['weave'] : [])).collectMany { name ->
        (0..<(name == 'weave' ? 1 : options.seeds)).collect { number -> "${name}.seed${options.seed + number}".toString() }
    }
    def idle = wanted.find { run -> !(run in known) }
    if (idle) {
        error("Parameters:\n  --characterise_runs: '${idle}' is not in this run (${known.join(', ')})")
    }
    return wanted
}
