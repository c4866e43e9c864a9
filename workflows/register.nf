// Aligned coordinates of the sections of a stack, where a method or --align requires them.

include { ALIGN ; alignOptions } from '../modules/align'
include { isAligned            } from '../modules/checks/files'
include { isFirst              } from '../modules/checks/runs'
include { STACK                } from '../modules/stack'

workflow REGISTER {
    take:
    datasets // dataset meta, e.g. [dataset: 'brain', stack: ['s1', 's2']]
    latents // [recipe meta, latents], e.g. [[dataset: 'brain', ..., preprocess: 'smart'], smart.latents.h5mu]
    methods // the chosen methods, e.g. [[name: 'smart', file: smart.yml, preprocess: smart.yml, graph: spatial.yml, ...], ...]
    options // all parameters with defaults, e.g. [seeds: 1, clustering: 'mclust', ...]
    code // digest of the package, e.g. '9e107d9d372bb6826bd81d3542a419d6'

    main:
    // [recipe meta, latents] of the first recipe only, e.g. [[dataset: 'brain', ..., preprocess: 'smart'], smart.latents.h5mu]: those of one recipe suffice
    stacks = latents.filter { meta, _latents -> isAligned(meta, methods, options) && isFirst(meta, methods) }
    // [pair meta, latents], e.g. [[dataset: 'brain', ..., fixed: 's1', moving: 's2'], smart.latents.h5mu], for consecutive sections
    pairs = stacks.flatMap { meta, file -> meta.stack.collate(2, 1, false).collect { fixed, moving -> [meta + [fixed: fixed, moving: moving], file] } }
    ALIGN(pairs, options.align_by, alignOptions(options), code)

    // [recipe meta, [transforms]], e.g. [[dataset: 'brain', ..., preprocess: 'smart'], [s1--s2.transform.json, ...]]
    transforms = ALIGN.out.transform
        .map { meta, transform -> [groupKey(meta.findAll { name, _value -> !(name in ['fixed', 'moving']) }, meta.stack.size() - 1), transform] }
        .groupTuple(sort: { transform -> transform.name })
        .map { key, files -> [key.groupTarget, files] }
    STACK(stacks.join(transforms), code)
    // [dataset, coordinates], e.g. ['brain', coordinates.csv]
    aligned = STACK.out.coordinates.map { meta, file -> [meta.dataset, file] }

    // Other datasets, and those whose alignment failed, have no coordinates.
    by_need = datasets.branch { meta ->
        aligned: isAligned(meta, methods, options)
        plain: true
    }
    coordinates = by_need.aligned
        .map { meta -> [meta.dataset, meta] }
        .join(aligned, remainder: true)
        .map { dataset, _meta, file -> [dataset, file ?: []] }
        .mix(by_need.plain.map { meta -> [meta.dataset, []] })

    emit:
    aligned // [dataset, coordinates], e.g. ['brain', coordinates.csv], where there are any
    coordinates // one element for every dataset, e.g. ['brain', coordinates.csv] or ['embryo', []]
    files = STACK.out.coordinates.mix(STACK.out.transforms) // [meta, file] for ASSEMBLE and the reports
}
