// Methods: each file of assets/methods/ is the preset of one, and names the preprocessing and graph recipes that it needs.

include { attempt ; refuse ; refuseParameters } from './refusals'
include { chosenMembers ; fits ; obstacle      } from './runs'

// The chosen methods' presets, e.g.
// [[name: 'smart', file: /.../assets/methods/smart.yml, preprocess: /.../assets/preprocess/smart.yml, graph: /.../assets/graphs/spatial.yml, settings: [], preset: '', sections: '', needs: [], environment: '', packages: '', control: false, baseline: false, gpu: true, processes: 1, nodes: 1, inductive: true, most_spots: 0, named: true], ...]
def chooseMethods(options) {
    def known = files("${projectDir}/assets/methods/*.yml").sort { preset -> preset.name }.collectEntries { preset -> [preset.baseName, preset] }
    def named = options.methods.tokenize(', ')
    def groups = methodGroups(known)
    def names = (named.collectMany { name -> groups[name] ?: [name] } + (options.control ? ['pca_smooth'] : [])).unique()
    def refusals = []
    attempt(refusals) { -> checkKnown(names, known.keySet().toList()) }
    def settings = attempt(refusals) { -> methodSettings(options.method_options, names) } ?: [:]
    def choices = attempt(refusals) { -> methodPresets(options.preset, names) } ?: [:]
    def presets = known.subMap(names).collectEntries { name, file -> [name, new org.yaml.snakeyaml.Yaml().load(file.text)] }
    def chosen = attempt(refusals) { -> chosenPresets(choices, presets) }
    refuse(refusals)
    return presets.collect { name, preset ->
        [
            name: name,
            file: known[name],
            preprocess: file("${projectDir}/assets/preprocess/${preset.preprocess}.yml", checkIfExists: true),
            graph: file("${projectDir}/assets/graphs/${preset.graph}.yml", checkIfExists: true),
            settings: settings[name] ?: [],
            preset: chosen[name],
            sections: preset.sections ?: '',
            needs: (preset.needs ?: '').tokenize(','),
            environment: environmentOf(name, preset),
            packages: packagesOf(environmentOf(name, preset)),
            control: preset.control == true,
            baseline: preset.baseline == true,
            gpu: preset.gpu != false,
            processes: preset.distributed == true ? options.gpus : 1,
            nodes: preset.distributed == true ? options.nodes : 1,
            inductive: preset.inductive == true,
            most_spots: preset.most_spots ?: 0,
            named: name in named,
        ]
    }
}

// Refuses names that are no methods.
def checkKnown(names, known) {
    def unknown = names - known
    def guesses = unknown.collect { name ->
        def near = known.closest(name)
        "'${name}' is not a method" + (near ? "; did you mean '${near.first()}'?" : '')
    }
    refuseParameters(unknown ? ["--methods: ${guesses.join(' ')} (there are ${known.join(', ')})"] : [])
}

// The environment that a method brings, '' for the pipeline's own. The name becomes part of paths and image names.
def environmentOf(name, preset) {
    def environment = (preset.environment ?: '').toString()
    if (environment && !(environment ==~ /[a-z0-9][a-z0-9_-]*/)) {
        error("assets/methods/${name}.yml, environment: '${environment}' is not a name of lower-case letters, digits, - and _")
    }
    return environment
}

// A digest of the versions of the packages in a method's own environment, '' without one; -resume trains again after a change.
def packagesOf(environment) {
    def pins = file("${projectDir}/environments/${environment}/requirements.txt")
    return environment && pins.exists() ? pins.text.md5() : ''
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
    def idle = pairs.findAll { method, _setting -> !(method in names) }
    refuseParameters(idle.collect { method, setting -> "--method_options: '${method}.${setting}' is for method '${method}', which is not in this run (${names.join(', ')})" })
    return pairs.groupBy { method, _setting -> method }.collectEntries { method, group -> [method, group.collect { pair -> pair[1] }] }
}

// 'visium,smart_paper:p22' -> ['': 'visium', smart_paper: 'p22']; '' stands for the methods that are not named.
def methodPresets(text, names) {
    def pairs = (text ?: '').tokenize(', ').collect { choice -> choice.contains(':') ? choice.split(':', 2).toList() : ['', choice] }
    def idle = pairs.findAll { method, _preset -> method && !(method in names) }
    def problems = idle.collect { method, preset -> "--preset: '${method}:${preset}' is for method '${method}', which is not in this run (${names.join(', ')})" }
    def doubled = pairs.groupBy { method, _preset -> method }.findAll { _method, group -> group.size() > 1 }
    problems += doubled.collect { method, group ->
        def fix = method ? '' : '; give METHOD:PRESET for each method that has another'
        "--preset: ${group.collect { pair -> "'${pair[1]}'" }.join(' and ')} are both for ${method ? "method '${method}'" : 'all methods'}${fix}"
    }
    refuseParameters(problems)
    return pairs.collectEntries { method, preset -> [method, preset] }
}

// The preset of each method, '' for its own settings, e.g. [smart_paper: 'p22', pca_smooth: '']; a choice for all methods passes
// over those without presets.
def chosenPresets(choices, presets) {
    def chosen = presets.collectEntries { name, preset -> [name, choices[name] ?: (preset.presets ? choices[''] ?: '' : '')] }
    def lacking = chosen.findAll { name, choice -> choice && !presets[name].presets?.containsKey(choice) }
    refuseParameters(lacking.collect { name, choice ->
        def there = presets[name].presets ? "are ${presets[name].presets.keySet().join(', ')}" : 'is none'
        "--preset: method '${name}' has no preset '${choice}' (there ${there})"
    })
    return chosen
}

// Refuses members of the consensus that are no methods of this run.
def checkMembers(options, methods) {
    def names = methods*.name
    refuseParameters((chosenMembers(options) - names).collect { name -> "--weave_members: '${name}' is not in this run (${names.join(', ')})" })
}

// Warns of methods that leave out a dataset, and stops the run if all methods leave one out. Returns the sections unchanged.
def checkFit(sections, methods) {
    def datasets = sections.collect { meta, _files -> meta }.unique { meta -> meta.dataset }
    def hopeless = datasets.findAll { meta -> !methods.any { method -> fits(method, meta) } }
    refuseParameters(hopeless.collect { meta ->
        "--methods: no method can run on dataset '${meta.dataset}' (${methods.collect { method -> "${method.name} ${obstacle(method, meta)}" }.join('; ')})"
    })
    datasets.each { meta ->
        methods.findAll { method -> method.named && !fits(method, meta) }.each { method ->
            log.warn("Dataset '${meta.dataset}' is left out by ${method.name}, which ${obstacle(method, meta)}")
        }
    }
    return sections
}
