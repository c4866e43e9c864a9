// Parameters: nextflow_schema.json alone declares their types, bounds, defaults and help texts.

include { refuseParameters } from './refusals'

// All parameters of the schema by name, e.g. [seeds: [type: 'integer', minimum: 1, default: 1, description: ...], ...]
def schemaProperties(schema) {
    return schema['$defs'].values().collectEntries { group -> group.properties }
}

def readSchema() {
    return new groovy.json.JsonSlurper().parseText(file("${projectDir}/nextflow_schema.json").text)
}

// What is wrong with one value, or null. Values from the command line have been parsed as numbers; those of a file have the type
// that they have there.
def valueProblem(name, value, rule) {
    def meaning = rule.description
    if (value instanceof Collection || value instanceof Map) {
        return "--${name} has several values, and takes one (${meaning})"
    }
    if (rule.type == 'boolean' && !(value instanceof Boolean)) {
        return "--${name} '${value}' is not true or false (${meaning})"
    }
    if (rule.type == 'integer' && !(value instanceof Integer || value instanceof Long || value instanceof BigInteger)) {
        return "--${name} '${value}' is not a whole number (${meaning})"
    }
    if (rule.type == 'number' && !(value instanceof Number)) {
        return "--${name} '${value}' is not a number (${meaning})"
    }
    if (rule.type == 'string' && value instanceof Boolean) {
        return "--${name} needs a value (${meaning})"
    }
    if (rule['enum'] && !(value.toString() in rule['enum'])) {
        def text = value.toString().toLowerCase()
        def near = rule.meant?.get(text) ?: (text ? rule['enum']*.toString().closest(text).find() : null)
        return "--${name} '${value}' is not one of ${rule['enum'].join(', ')}" + (near ? "; did you mean '${near}'?" : '')
    }
    if (rule.pattern && !(asText(value).toString() ==~ rule.pattern)) {
        return "--${name} '${value}' does not have the expected form (${meaning})"
    }
    if (rule.minimum != null && value < rule.minimum) {
        return "--${name} ${value} is below ${rule.minimum} (${meaning})"
    }
    if (rule.maximum != null && value > rule.maximum) {
        return "--${name} ${value} is above ${rule.maximum} (${meaning})"
    }
    return null
}

// The value of a parameter that is text: Nextflow takes one of digits for a number, e.g. a folder called 2026, and configuration
// files may give memory as such, e.g. 1500.GB, which as text would be rounded to 1.5 TB.
def asText(value) {
    if (value instanceof MemoryUnit) {
        return "${value.toGiga()} GB".toString()
    }
    return value instanceof Number ? value.toString() : value
}

// Whether a parameter is one that the configuration files of nf-core's institutions set for their own pipelines.
def isInstitutional(name) {
    return name in ['max_cpus', 'max_time'] || name ==~ /(config_profile|custom_config)_.*/
}

// A parameter's value, or else its default
def defaulted(given, rules, name) {
    return given[name] == null ? rules[name].default : given[name]
}

// All parameters with their defaults filled in, e.g. [input: 'samplesheet.csv', seeds: 1, clustering: 'mclust', ...].
// An unknown parameter or a value out of bounds stops the run before any task; all problems are reported at once.
def resolveParams(given) {
    def rules = schemaProperties(readSchema())
    def set = given.findAll { _name, value -> value != null }
    def unknown = set.keySet().findAll { name -> !rules.containsKey(name) && !isInstitutional(name) }
    def problems = unknown.collect { name ->
        def near = name ? rules.keySet().toList().closest(name.replace('-', '_')) : []
        "--${name} is not a parameter" + (near ? "; did you mean --${near.first()}?" : '') + ' (--help lists them all)'
    }
    problems += set.findAll { name, _value -> rules.containsKey(name) }
        .collect { name, value -> valueProblem(name, value, rules[name]) }
        .findAll { problem -> problem != null }
    if (!set.help && !problems && !set.input == !set.simulate) {
        problems << 'give either --input samplesheet.csv or --simulate demo'
    }
    if (set.n_neighbours != null && set.spatial_radius != null) {
        problems << 'give either --n_neighbours or --spatial_radius'
    }
    if (!problems && rules.seed.maximum - defaulted(set, rules, 'seed') < defaulted(set, rules, 'seeds') - 1) {
        problems << "--seed ${set.seed}: with ${defaulted(set, rules, 'seeds')} seeds the last one is above ${rules.seed.maximum}"
    }
    refuseParameters(problems)
    return rules.collectEntries { name, rule -> [name, rule.type == 'string' ? asText(defaulted(set, rules, name)) : defaulted(set, rules, name)] }
}
