// Saved models: which runs are saved, and the model that new sections are labelled by.

include { refuseParameters } from './refusals'

// The ids of the runs of --save_model, e.g. ['smart.seed1']; a method stands for its first seed.
def savedRuns(options, methods) {
    def wanted = (options.save_model ?: '').tokenize(', ').unique().collect { text ->
        def run = text.contains('.seed') ? text : "${text}.seed${options.seed}".toString()
        [text: text, name: run.tokenize('.').first(), seed: run.tokenize('.').last() - 'seed' as BigInteger]
    }
    refuseParameters(wanted.collect { run -> unsaved(run, options, methods) }.findAll())
    return wanted.collect { run -> "${run.name}.seed${run.seed}".toString() }.unique()
}

// Why a run cannot be saved; null where it can.
def unsaved(run, options, methods) {
    def able = methods.findAll { method -> method.inductive }*.name
    if (run.name == 'weave') {
        return "--save_model: the consensus has no network that could label new sections; save one of its runs (${able.join(', ')})"
    }
    if (!(run.name in methods*.name) || !(run.seed in (options.seed..<(options.seed + options.seeds)))) {
        return "--save_model: '${run.text}' is not in this run (methods ${methods*.name.join(', ')}; seeds ${options.seed} to ${options.seed + options.seeds - 1})"
    }
    return run.name in able ? null : "--save_model: '${run.name}' cannot embed spots that it was not trained on; of this run ${able ? able.join(', ') : 'no method'} can (docs/reference.md)"
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
    refuseParameters(decidedByModel().findAll { name -> name in chosen }.collect { name -> "--${name}: a saved model decides this; leave it out, or --reference" })
    def folder = file(options.reference, glob: false)
    def description = folder.resolve('model.json')
    if (!description.exists()) {
        refuseParameters(["--reference: '${options.reference}' is not a folder that --save_model wrote (it has no model.json)"])
    }
    if (!(folder.name ==~ /[A-Za-z0-9_][A-Za-z0-9._-]*/)) {
        refuseParameters(["--reference: the folder's name '${folder.name}' has characters other than letters, digits, '.', '_' and '-'; rename it"])
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
        refuseParameters(["--reference: ${description} is not readable JSON"])
    }
    def number = said instanceof Map && said.domains instanceof Map ? said.domains.number : null
    if (!(number instanceof Integer) || number < 1 || !(said.seed instanceof Integer) || !(said.method ==~ /[a-z0-9_]+/)) {
        refuseParameters(["--reference: ${description} does not say its method, seed and number of domains; save the model again"])
    }
    if (!file("${projectDir}/assets/methods/${said.method}.yml").exists()) {
        refuseParameters(["--reference: ${description} is of the method '${said.method}', which is not known here"])
    }
    return [method: said.method, domains: number, seed: said.seed]
}
