include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Numbers that hold instead of the recipe's, as options of bin/preprocess.py, e.g. '--variable-features 5000 --components 30'
def preprocessOptions(options) {
    return options.subMap('variable_features', 'components').findAll { _name, value -> value != null }
        .collect { name, value -> "--${name.replace('_', '-')} ${value}" }.join(' ')
}

// How many features of a modality are latents themselves by a recipe, at most; 0 where principal components are.
def keptFeatures(recipe, options) {
    def settings = new org.yaml.snakeyaml.Yaml().load(recipe.text).modalities.values()
    def kept = settings.findAll { own -> own.components == 0 && own.variable_features instanceof Integer }.collect { own -> own.variable_features }
    return kept && options.components == null ? options.variable_features ?: kept.max() : 0
}

// Counts to latents, once per dataset and preprocessing recipe, for all methods that use the recipe; and the joined counts: raw
// counts of all sections, with the features that they have in common.
process PREPROCESS {
    tag "${meta.dataset}, ${meta.preprocess}"
    label 'medium'
    memory { requestedMemory('PREPROCESS', sections, task.attempt, meta.preprocess) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(sections, stageAs: 'sections/*'), path(recipe)
    val seed
    val numbers
    val code

    output:
    tuple val(meta), path("${meta.preprocess}.latents.h5mu"), emit: latents
    tuple val(meta), path("${meta.preprocess}.counts.h5mu"), emit: counts
    tuple val("${task.process}"), eval('software_versions.py harmonypy scikit-learn scikit-misc scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def inputs = (sections instanceof List ? sections : [sections]).collect { section -> "--section ${section}" }.join(' ')
    """
    # code ${code}
    preprocess.py ${inputs} --recipe ${recipe} ${numbers} --seed ${seed} \\
        --out '${meta.preprocess}.latents.h5mu' --counts '${meta.preprocess}.counts.h5mu'
    """

    stub:
    """
    touch '${meta.preprocess}'.{latents,counts}.h5mu
    """
}
