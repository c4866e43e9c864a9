// Saved models: which runs are saved, and the model that new sections are labelled by.

// The ids of the runs of --save_model, e.g. ['smart.seed1']; a method stands for its first seed.
def savedRuns(options, methods) {
    def able = methods.findAll { method -> method.inductive }*.name
    return (options.save_model ?: '').tokenize(', ').unique().collect { wanted ->
        def run = wanted.contains('.seed') ? wanted : "${wanted}.seed${options.seed}".toString()
        def name = run.tokenize('.').first()
        def seed = run.tokenize('.').last() - 'seed' as BigInteger
        if (name == 'weave') {
            error("Parameters:\n  --save_model: the consensus has no network that could label new sections; save one of its runs (${able.join(', ')})")
        }
        if (!(name in methods*.name) || !(seed in (options.seed..<(options.seed + options.seeds)))) {
            error("Parameters:\n  --save_model: '${wanted}' is not in this run (methods ${methods*.name.join(', ')}; seeds ${options.seed} to ${options.seed + options.seeds - 1})")
        }
        if (!(name in able)) {
            error("Parameters:\n  --save_model: '${name}' cannot embed spots that it was not trained on; of this run ${able ? able.join(', ') : 'no method'} can (docs/reference.md)")
        }
        "${name}.seed${seed}".toString()
    }.unique()
}

// What cannot be chosen where a model decides it.
def decidedByModel() {
    return ['methods', 'method_options', 'preset', 'seeds', 'seed', 'variable_features', 'components', 'n_neighbours', 'spatial_radius', 'feature_neighbours', 'clustering', 'n_domains', 'max_domains', 'refine', 'weave', 'weave_members', 'save_model', 'align', 'simulate', 'estimate', 'characterise_runs']
}

// The model of --reference as what the workflows know of a method, e.g. [name: 'reference', file: smart.yml, preprocess: <folder>,
// graph: <folder>, ..., domains: 7, seed: 1]; null without it. Its numbers are checked by the first task (CHECK_MODEL).
def givenModel(options, set) {
    if (!options.reference) {
        return null
    }
    def chosen = set.findAll { _name, value -> value != null }.keySet()
    def idle = decidedByModel().find { name -> name in chosen }
    if (idle) {
        error("Parameters:\n  --${idle}: a saved model decides this; leave it out, or --reference")
    }
    def folder = file(options.reference, glob: false)
    def description = folder.resolve('model.json')
    if (!description.exists()) {
        error("Parameters:\n  --reference: '${options.reference}' is not a folder that --save_model wrote (it has no model.json)")
    }
    if (!(folder.name ==~ /[A-Za-z0-9_][A-Za-z0-9._-]*/)) {
        error("Parameters:\n  --reference: the folder's name '${folder.name}' has characters other than letters, digits, '.', '_' and '-'; rename it")
    }
    def said = readDescription(description)
    def preset = file("${projectDir}/assets/methods/${said.method}.yml")
    return [
        name: 'reference', file: preset, preprocess: folder, graph: folder, settings: [], preset: '', sections: '', needs: [], environment: '',
        control: false, baseline: false, gpu: true, processes: 1, nodes: 1, inductive: false, named: true,
        domains: said.domains, seed: said.seed,
    ]
}

// What the workflows need of model.json, e.g. [method: 'smart', domains: 7, seed: 1]
def readDescription(description) {
    def said = null
    try {
        said = new groovy.json.JsonSlurper().parseText(description.text)
    }
    catch (Exception _error) {
        error("Parameters:\n  --reference: ${description} is not readable JSON")
    }
    def number = said instanceof Map && said.domains instanceof Map ? said.domains.number : null
    if (!(number instanceof Integer) || number < 1 || !(said.seed instanceof Integer) || !(said.method ==~ /[a-z0-9_]+/)) {
        error("Parameters:\n  --reference: ${description} does not say its method, seed and number of domains; save the model again")
    }
    if (!file("${projectDir}/assets/methods/${said.method}.yml").exists()) {
        error("Parameters:\n  --reference: ${description} is of the method '${said.method}', which is not known here")
    }
    return [method: said.method, domains: number, seed: said.seed]
}
