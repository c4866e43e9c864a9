// Aligned coordinates of the sections of a stack, where a method or --align asks for them.

include { ALIGN ; alignOptions } from '../modules/align'
include { STACK                } from '../modules/stack'

workflow REGISTER {
    take:
    datasets // dataset meta, e.g. [dataset: 'brain', stack: ['s1', 's2']]
    latents // [recipe meta, latents], e.g. [[dataset: 'brain', ..., preprocess: 'smart'], smart.latents.h5mu]
    methods
    options
    code

    main:
    def wanted = options.align || methods.any { method -> method.sections == 'aligned' }
    // The latents of one recipe suffice.
    stacks = latents.filter { meta, _latents -> wanted && meta.stack.size() > 1 && meta.preprocess == methods.first().preprocess.baseName }
    // [pair meta, latents], e.g. [[dataset: 'brain', ..., fixed: 's1', moving: 's2'], smart.latents.h5mu], for consecutive sections
    pairs = stacks.flatMap { meta, file -> meta.stack.collate(2, 1, false).collect { fixed, moving -> [meta + [fixed: fixed, moving: moving], file] } }
    ALIGN(pairs, options.align_by, alignOptions(options), code)

    // [recipe meta, [transforms]], e.g. [[dataset: 'brain', ..., preprocess: 'smart'], [s1--s2.transform.json, ...]]
    transforms = ALIGN.out.transform
        .map { meta, transform -> [groupKey(meta.findAll { name, _value -> !(name in ['fixed', 'moving']) }, meta.stack.size() - 1), transform] }
        .groupTuple(sort: { transform -> transform.name })
        .map { key, files -> [key.groupTarget, files] }
    STACK(stacks.join(transforms), code)
    aligned = STACK.out.coordinates.map { meta, file -> [meta.dataset, file] }

    // Other datasets, and those whose alignment failed, have no coordinates.
    by_need = datasets.branch { meta ->
        aligned: wanted && meta.stack.size() > 1
        plain: true
    }
    coordinates = by_need.aligned
        .map { meta -> [meta.dataset, meta] }
        .join(aligned, remainder: true)
        .map { dataset, _meta, file -> [dataset, file ?: []] }
        .mix(by_need.plain.map { meta -> [meta.dataset, []] })

    emit:
    aligned // [dataset, coordinates], e.g. ['brain', coordinates.csv], where there are any
    coordinates // the same for all datasets, e.g. ['embryo', []]
    files = STACK.out.coordinates.mix(STACK.out.transforms) // [meta, file] for ASSEMBLE and the reports
}
