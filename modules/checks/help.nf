// The text of --help.

include { readSchema } from './params'

// The help text: every parameter by group, with type, default and meaning.
def helpText() {
    def schema = readSchema()
    def lines = ["${schema.title}: ${schema.description}", '', 'nextflow run . --input samplesheet.csv --outdir results', '']
    schema['$defs'].values().each { group ->
        lines << group.title
        group.properties.each { name, rule ->
            def kind = rule['enum'] ? rule['enum'].join('|') : rule.type
            def standard = rule.default == null ? '' : " [default: ${rule.default}]"
            lines << "    --${name.padRight(28)} <${kind}> ${rule.description}${standard}"
        }
        lines << ''
    }
    lines << 'Methods (--methods name,name ...; groups: all = those of this pipeline; baselines; controls)'
    def presets = files("${projectDir}/assets/methods/*.yml").sort { preset -> preset.name }.collectEntries { preset -> [preset.baseName, new org.yaml.snakeyaml.Yaml().load(preset.text)] }
    def groups = presets.groupBy { _name, preset ->
        preset.baseline ? 'baselines' : preset.control ? 'controls' : preset.variant_of ? 'variants' : 'own'
    }
    def titles = [own: 'of this pipeline', variants: 'variants, e.g. as published', controls: 'controls', baselines: 'baselines: published methods by their own libraries; one whose environment is not there is left out']
    titles.each { group, title ->
        lines << "  ${title}"
        groups[group].each { name, preset ->
            // The first sentence, which should fit.
            def words = preset.summary.toString().tokenize().join(' ').split(/(?<=[.;]) /).first().replaceAll(/[.;]$/, '')
            def text = "${preset.title}: ${words}".toString()
            def needs = preset.environment ? " (make environment NAME=${preset.environment})" : ''
            lines << "    ${name.padRight(18)} ${text.size() > 140 ? text.take(137) + '...' : text}${needs}"
        }
    }
    lines << ''
    lines << 'CPUs and memory of a training grow with the spots: one CPU per 20,000 spots, 8 at most. To choose them yourself, give a'
    lines << 'file with -c that says, e.g., process { withName: TRAIN { cpus = 4; memory = 16.GB } }; see docs/running.md.'
    lines << ''
    return lines.join('\n')
}
