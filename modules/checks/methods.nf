// Methods: each file of assets/methods/ is the preset of one, and names the preprocessing and graph recipes that it needs.

// The chosen methods' presets, e.g.
// [[name: 'smart', file: /.../assets/methods/smart.yml, preprocess: /.../assets/preprocess/smart.yml, graph: /.../assets/graphs/spatial.yml, settings: [], preset: '', sections: '', needs: [], environment: '', control: false, baseline: false, gpu: true, processes: 1, nodes: 1, inductive: true, named: true], ...]
def chooseMethods(options) {
    def known = files("${projectDir}/assets/methods/*.yml").sort { preset -> preset.name }.collectEntries { preset -> [preset.baseName, preset] }
    def named = options.methods.tokenize(', ')
    def groups = methodGroups(known)
    def names = (named.collectMany { name -> groups[name] ?: [name] } + (options.control ? ['pca_smooth'] : [])).unique()
    def unknown = names.findAll { name -> !known.containsKey(name) }
    if (unknown) {
        def near = known.keySet().toList().closest(unknown.first())
        def guess = near ? "; did you mean '${near.first()}'?" : ''
        error("Parameters:\n  --methods: '${unknown.first()}' is not a method${guess} (there are ${known.keySet().join(', ')})")
    }
    def settings = methodSettings(options.method_options, names)
    def presets = methodPresets(options.preset, names)
    return names.collect { name ->
        def preset = new org.yaml.snakeyaml.Yaml().load(known[name].text)
        // A name for all methods passes over those without presets.
        def chosen = presets[name] ?: (preset.presets ? presets[''] ?: '' : '')
        if (chosen && !preset.presets?.containsKey(chosen)) {
            error("Parameters:\n  --preset: method '${name}' has no preset '${chosen}' (there ${preset.presets ? "are ${preset.presets.keySet().join(', ')}" : 'is none'})")
        }
        [
            name: name,
            file: known[name],
            preprocess: file("${projectDir}/assets/preprocess/${preset.preprocess}.yml", checkIfExists: true),
            graph: file("${projectDir}/assets/graphs/${preset.graph}.yml", checkIfExists: true),
            settings: settings[name] ?: [],
            preset: chosen,
            sections: preset.sections ?: '',
            needs: (preset.needs ?: '').tokenize(','),
            environment: environmentOf(name, preset),
            control: preset.control == true,
            baseline: preset.baseline == true,
            gpu: preset.gpu != false,
            processes: preset.distributed == true ? options.gpus : 1,
            nodes: preset.distributed == true ? options.nodes : 1,
            inductive: preset.inductive == true,
            named: name in named,
        ]
    }
}

// The environment that a method brings, '' for the pipeline's own. The name becomes part of paths and image names.
def environmentOf(name, preset) {
    def environment = (preset.environment ?: '').toString()
    if (environment && !(environment ==~ /[a-z0-9][a-z0-9_-]*/)) {
        error("assets/methods/${name}.yml, environment: '${environment}' is not a name of lower-case letters, digits, - and _")
    }
    return environment
}

// The names that stand for several methods: 'native', also called 'all', for the pipeline's own but the variants, which are
// chosen by name; 'baselines' for those of other libraries; and 'controls'.
def methodGroups(known) {
    def presets = known.collectEntries { name, preset -> [name, new org.yaml.snakeyaml.Yaml().load(preset.text)] }
    def own = presets.findAll { _name, preset -> !preset.variant_of && !preset.control && !preset.baseline }.keySet().toList()
    return [
        all: own,
        'native': own,
        baselines: presets.findAll { _name, preset -> preset.baseline && !preset.variant_of }.keySet().toList(),
        controls: presets.findAll { _name, preset -> preset.control }.keySet().toList(),
    ]
}

// 'smart.epochs=100,smart.n_dims=16' -> [smart: ['epochs=100', 'n_dims=16']]
def methodSettings(text, names) {
    def pairs = (text ?: '').tokenize(', ').collect { setting -> setting.split('\\.', 2).toList() }
    def idle = pairs.find { method, _setting -> !(method in names) }
    if (idle) {
        error("Parameters:\n  --method_options: '${idle.join('.')}' is for method '${idle.first()}', which is not in this run (${names.join(', ')})")
    }
    return pairs.groupBy { method, _setting -> method }.collectEntries { method, group -> [method, group.collect { pair -> pair[1] }] }
}

// 'visium,smart_paper:p22' -> ['': 'visium', smart_paper: 'p22']; '' stands for the methods that are not named.
def methodPresets(text, names) {
    def pairs = (text ?: '').tokenize(', ').collect { choice -> choice.contains(':') ? choice.split(':', 2).toList() : ['', choice] }
    def idle = pairs.find { method, _preset -> method && !(method in names) }
    if (idle) {
        error("Parameters:\n  --preset: '${idle.join(':')}' is for method '${idle.first()}', which is not in this run (${names.join(', ')})")
    }
    def doubled = pairs.groupBy { method, _preset -> method }.find { _method, group -> group.size() > 1 }
    if (doubled) {
        def fix = doubled.key ? '' : '; give METHOD:PRESET for each method that has another'
        error("Parameters:\n  --preset: ${doubled.value.collect { pair -> "'${pair[1]}'" }.join(' and ')} are both for ${doubled.key ? "method '${doubled.key}'" : 'all methods'}${fix}")
    }
    return pairs.collectEntries { method, preset -> [method, preset] }
}

// The methods that have a say in the consensus and in the number of domains: neither controls nor baselines.
def voters(methods) {
    return methods.findAll { method -> !method.control && !method.baseline }
}

// The methods whose runs the consensus joins: those of --weave_members, else all voters; none with --weave false.
def weaveMembers(options, methods) {
    def names = methods*.name
    def chosen = (options.weave_members ?: '').tokenize(', ').unique()
    def idle = chosen.find { name -> !(name in names) }
    if (idle) {
        error("Parameters:\n  --weave_members: '${idle}' is not in this run (${names.join(', ')})")
    }
    return options.weave ? chosen ?: voters(methods)*.name : []
}

// Whether latents, or a graph, are of the first method's recipes: what does not depend on the recipe is taken of those alone.
def isFirst(meta, methods) {
    def first = methods.first()
    return meta.preprocess == first.preprocess.baseName && (!meta.graph || meta.graph == first.graph.baseName)
}

// Why a method leaves out a dataset, e.g. 'needs several sections'; null where it can run.
def obstacle(method, meta) {
    if (method.sections && meta.stack.size() < 2) {
        return 'needs several sections'
    }
    def missing = (method.needs ?: []) - (meta.given ?: [])
    // What is in a file of several modalities is not known yet: only a method that is named takes the risk.
    return missing && !(method.named && 'multi' in meta.given) ? "needs ${missing.join(' and ')}".toString() : null
}

// Whether a method can run on a dataset: some need several sections, or certain modalities.
def fits(method, meta) {
    return obstacle(method, meta) == null
}

// How many runs of these methods a dataset gets.
def countRuns(names, methods, meta, options) {
    return options.seeds * methods.count { method -> method.name in names && fits(method, meta) }
}

// Warns of methods that leave out a dataset, and stops the run if all methods leave one out. Returns the sections unchanged.
def checkFit(sections, methods) {
    sections.collect { meta, _files -> meta }.unique { meta -> meta.dataset }.each { meta ->
        def idle = methods.findAll { method -> !fits(method, meta) }
        if (idle.size() == methods.size()) {
            error("Parameters:\n  --methods: no method can run on dataset '${meta.dataset}' (${idle.collect { method -> "${method.name} ${obstacle(method, meta)}" }.join('; ')})")
        }
        idle.findAll { method -> method.named }.each { method ->
            log.warn("Dataset '${meta.dataset}' is left out by ${method.name}, which ${obstacle(method, meta)}")
        }
    }
    return sections
}
