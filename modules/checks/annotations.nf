// What the user knows of the tissue: gene sets, a panel of markers, where pseudotime begins; and the runs to characterise.

include { refuseParameters } from './refusals'

// The file that a parameter names, [] where it is not given.
def givenFile(options, name) {
    def found = options[name] ? file(options[name], glob: false) : []
    if (found && !found.isFile()) {
        refuseParameters(["--${name}: there is no file '${options[name]}'"])
    }
    return found
}

// The ids of the runs of --characterise_runs, e.g. ['smart.seed1'], beside the one that the report shows first and the consensus.
def characterisedRuns(options, methods) {
    def wanted = (options.characterise_runs ?: '').tokenize(', ').unique()
    def known = (methods*.name + (options.weave ? ['weave'] : [])).collectMany { name ->
        (0..<(name == 'weave' ? 1 : options.seeds)).collect { number -> "${name}.seed${options.seed + number}".toString() }
    }
    def idle = wanted.findAll { run -> !(run in known) }
    refuseParameters(idle.collect { run -> "--characterise_runs: '${run}' is not in this run (${known.join(', ')})" })
    return wanted
}

// By dataset the domain of --pseudotime_root in which its pseudotime begins, e.g. [embryo: 3, node: 5]; under '' that of all datasets.
def pseudotimeRoots(options) {
    return (options.pseudotime_root ?: '').toString().tokenize(', ').collectEntries { root ->
        def parts = root.tokenize(':')
        return [parts.size() > 1 ? parts[0] : '', parts[-1].toInteger()]
    }
}

// Stops the run if a root is of no dataset. Returns the sections unchanged.
def checkRoots(sections, roots) {
    def datasets = sections.collect { meta, _files -> meta.dataset }.unique()
    def unknown = roots.keySet().findAll { dataset -> dataset && !(dataset in datasets) }
    refuseParameters(unknown.collect { dataset -> "--pseudotime_root: there is no dataset '${dataset}' (${datasets.join(', ')})" })
    return sections
}
