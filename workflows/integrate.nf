// Every method with every seed on every dataset that it can run on: embedding, domains, metrics, matched spots. And the
// consensus of all of them, and the verdict on them.

include { chosenNumber ; numberRange   } from '../modules/checks/domains'
include { choosers ; countMembers ; countRuns ; fits ; hasRecipes ; isEnough ; isFirst ; isWoven ; obstacle ; recipePairs ; weaveMembers } from '../modules/checks/runs'
include { resultLine                             } from '../modules/checks/progress'
include { memoryLimit ; tooLarge                    } from '../modules/checks/resources'
include { TRAIN                        } from '../modules/train'
include { SCAN                         } from '../modules/scan'
include { SCAN as SCAN_OTHERS          } from '../modules/scan'
include { CHOOSE                       } from '../modules/choose'
include { CLUSTER                      } from '../modules/cluster'
include { WEAVE                        } from '../modules/weave'
include { EVALUATE                     } from '../modules/evaluate'
include { ASSESS                       } from '../modules/assess'
include { MATCH                        } from '../modules/match'

workflow INTEGRATE {
    take:
    datasets // dataset meta, e.g. [dataset: 'embryo', stack: ['embryo'], given: ['adt', 'rna'], spots: 2187]
    inputs // [recipes meta, latents, graph], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], smart.latents.h5mu, graph.h5ad]
    aligned // [dataset, coordinates], e.g. ['brain', coordinates.csv], where there are any
    coordinates // one element for every dataset, e.g. ['brain', coordinates.csv] or ['embryo', []]
    n_domains // [dataset, number of domains], e.g. ['embryo', 13] or ['node', 'auto']
    methods // the chosen methods, e.g. [[name: 'smart', file: smart.yml, preprocess: smart.yml, graph: spatial.yml, ...], ...]
    saved // ids of the runs that are saved as models, e.g. ['smart.seed1']
    options // all parameters with defaults, e.g. [seeds: 1, clustering: 'mclust', ...]
    code // digest of the package, e.g. '9e107d9d372bb6826bd81d3542a419d6'

    main:
    // The same, with the methods of these recipes that cannot take the dataset within the memory that there is: they leave it out.
    // A training waits for no other recipes.
    checked = inputs.map { meta, latents, graph ->
        def own = methods.findAll { method -> hasRecipes(method, meta) && fits(method, meta) }
        def limit = memoryLimit(options.max_memory)
        def too_large = tooLarge(own, latents, limit)
        too_large.each { name, reason -> log.warn("Dataset '${meta.dataset}' is left out by ${name}, which ${reason}; ${limit.fix}") }
        [meta + [too_large: too_large], latents, graph]
    }
    // [dataset, dataset meta] with such methods of all recipes, by which runs are counted, e.g.
    // ['embryo', [dataset: 'embryo', ..., too_large: [spamo: 'needs about 75.4 GB to train, ...']]]
    fitted = datasets
        .map { meta -> [meta.dataset, meta] }
        .join(
            checked
                .map { meta, _latents, _graph -> [groupKey(meta.dataset, recipePairs(methods).size()), meta.too_large] }
                .groupTuple(remainder: true)
                .map { key, too_large -> [key.groupTarget, too_large.sum()] },
            remainder: true,
        )
        .map { dataset, meta, too_large -> [dataset, meta + [too_large: too_large ?: [:]]] }
    // [run meta, latents, graph, method], e.g. [[id: 'smart.seed1', dataset: 'embryo', ..., method: 'smart', seed: 1], smart.latents.h5mu, graph.h5ad, [name: 'smart', file: smart.yml, ...]]
    runs = checked
        .combine(channel.fromList(methods))
        .filter { meta, _latents, _graph, method -> hasRecipes(method, meta) && fits(method, meta) }
        .combine(channel.fromList((0..<options.seeds).collect { number -> options.seed + number }))
        .map { meta, latents, graph, method, seed ->
            // Another limit of memory repeats no task.
            def plain = meta.findAll { name, _value -> name != 'too_large' }
            [plain + [id: "${method.name}.seed${seed}".toString(), method: method.name, seed: seed], latents, graph, method]
        }
    unfit = checked
        .combine(channel.fromList(methods))
        .filter { meta, _latents, _graph, method -> hasRecipes(method, meta) && !fits(method, meta) }
        .map { meta, _latents, _graph, method -> [dataset: meta.dataset, method: method.name, reason: obstacle(method, meta)] }
    // Methods that need no alignment do not wait for one.
    by_need = runs.branch { _meta, _latents, _graph, method ->
        aligned: method.sections == 'aligned'
        plain: true
    }
    // [run meta, latents, graph, coordinates, preset, method], e.g. [[id: 'smart.seed1', ...], smart.latents.h5mu, graph.h5ad, [], smart.yml, [settings: ['epochs=100'], preset: '', environment: '', packages: '', gpu: true, processes: 1, nodes: 1, saved: false]]
    trainings = by_need.aligned
        .map { meta, latents, graph, method -> [meta.dataset, meta, latents, graph, method] }
        .combine(aligned, by: 0)
        .map { _dataset, meta, latents, graph, method, file -> [meta, latents, graph, file, method] }
        .mix(by_need.plain.map { meta, latents, graph, method -> [meta, latents, graph, [], method] })
        .map { meta, latents, graph, file, method -> [meta, latents, graph, file, method.file, method.subMap('settings', 'preset', 'environment', 'packages', 'gpu', 'processes', 'nodes') + [saved: meta.id in saved]] }
    TRAIN(trainings, options.device, options.checkpoint_dir ?: '', code)

    // [dataset, run meta, embedding, latents, graph], e.g. ['embryo', [id: 'smart.seed1', ...], smart.seed1.h5ad, smart.latents.h5mu, graph.h5ad]
    trained = TRAIN.out.embedding
        .join(runs.map { meta, latents, graph, _method -> [meta, latents, graph] })
        .map { meta, embedding, latents, graph -> [meta.dataset, meta, embedding, latents, graph] }
    // [dataset, number of domains] where it is given, and where it is to be chosen
    by_number = n_domains.branch { _dataset, number ->
        open: number == 'auto'
        given: true
    }
    // Baselines have no say where methods of our own can run, and controls none where any others can.
    by_say = trained
        .combine(by_number.open, by: 0)
        .combine(fitted, by: 0)
        .branch { _dataset, run, _embedding, _latents, _graph, _number, meta ->
            choosing: run.method in choosers(methods, meta)
            others: true
        }
    SCAN(by_say.choosing.map { _dataset, run, embedding, _latents, _graph, _number, _meta -> [run, embedding] }, numberRange(options), code)
    // [run meta, embedding] of the others where, at the end of all trainings and scans, none with a say is left
    unheard = by_say.others
        .map { dataset, run, embedding, _latents, _graph, _number, _meta -> [dataset, [run, embedding]] }
        .groupTuple()
        .join(SCAN.out.criteria.map { run, _criteria, _partitions -> [run.dataset, true] }.unique(), remainder: true)
        .filter { _dataset, others, heard -> others && !heard }
        .flatMap { _dataset, others, _heard -> others }
    SCAN_OTHERS(unheard, numberRange(options), code)
    // [dataset meta, [criteria], [partitions]], e.g. [[dataset: 'node'], [smart.seed1.n_domains.csv, ...], [smart.seed1.partitions.csv, ...]], once all runs of the dataset have ended
    to_choose = SCAN.out.criteria
        .map { run, criteria, partitions -> [run.dataset, criteria, partitions] }
        .combine(fitted, by: 0)
        .map { dataset, criteria, partitions, meta -> [groupKey(dataset, countRuns(choosers(methods, meta), methods, meta, options)), criteria, partitions] }
        .groupTuple(remainder: true, sort: { file -> file.name })
        .map { key, criteria, partitions -> [key.groupTarget, criteria, partitions] }
        .mix(SCAN_OTHERS.out.criteria.map { run, criteria, partitions -> [run.dataset, criteria, partitions] }.groupTuple(sort: { file -> file.name }))
        .map { dataset, criteria, partitions -> [[dataset: dataset], criteria, partitions] }
    CHOOSE(to_choose, code)
    // [dataset, number of domains], e.g. ['embryo', 13]
    numbers = by_number.given.mix(CHOOSE.out.choice.map { meta, choice -> [meta.dataset, chosenNumber(choice)] })

    // [run meta, embedding, graph, number of domains], e.g. [[id: 'smart.seed1', ...], smart.seed1.h5ad, graph.h5ad, 13]
    to_cluster = trained
        .combine(numbers, by: 0)
        .map { _dataset, meta, embedding, _latents, graph, number -> [meta, embedding, graph, number] }
    CLUSTER(to_cluster, options.clustering, options.refine, code)

    def members = weaveMembers(options, methods)
    // [dataset meta, latents, graph] of the first recipes only: their spots are those of all
    first_inputs = inputs
        .filter { meta, _latents, _graph -> isFirst(meta, methods) }
        .map { meta, latents, graph -> [meta.dataset, latents, graph] }
        .join(fitted)
        .map { _dataset, latents, graph, meta -> [meta, latents, graph] }
    // [dataset, run meta, latents, graph] where three runs or more are joined, e.g. ['embryo', [id: 'weave.seed1', dataset: 'embryo', method: 'weave', seed: 1], smart.latents.h5mu, graph.h5ad]
    woven = first_inputs
        .filter { meta, _latents, _graph -> isWoven(methods, meta, options) }
        .map { meta, latents, graph ->
            [meta.dataset, [id: "weave.seed${options.seed}".toString(), dataset: meta.dataset, method: 'weave', seed: options.seed], latents, graph]
        }
    // [dataset, [domains], run meta, latents, graph] of those of which three runs have domains, and of those where fewer succeeded
    by_members = CLUSTER.out.domains
        .filter { run, _domains -> run.method in members }
        .map { run, domains -> [run.dataset, domains] }
        .combine(fitted, by: 0)
        .map { dataset, domains, meta -> [groupKey(dataset, countMembers(methods, meta, options)), domains] }
        .groupTuple(remainder: true, sort: { file -> file.name })
        .map { key, domains -> [key.groupTarget, domains] }
        .join(woven)
        .branch { _dataset, domains, _meta, _latents, _graph ->
            enough: isEnough(domains.size())
            few: true
        }
    // [run meta, [domains], latents, number of domains], e.g. [[id: 'weave.seed1', ...], [smart.seed1.domains.csv, ...], smart.latents.h5mu, 13]
    to_weave = by_members.enough
        .join(numbers)
        .map { _dataset, domains, meta, latents, _graph, number -> [meta, domains, latents, number] }
    WEAVE(to_weave, code)
    // [dataset: 'embryo', method: 'weave', reason: 'needs three runs, and there are two'] where two runs are all there are
    unwoven = first_inputs
        .filter { meta, _latents, _graph -> countMembers(methods, meta, options) == 2 }
        .map { meta, _latents, _graph -> [dataset: meta.dataset, method: 'weave', reason: 'needs three runs, and there are two'] }
        .mix(by_members.few.map { dataset, domains, _meta, _latents, _graph -> [dataset: dataset, method: 'weave', reason: "needs three runs, and ${domains.size()} succeeded".toString()] })
        .map { one ->
            log.warn("Dataset '${one.dataset}' has no consensus (weave), which ${one.reason}; see --seeds and --methods")
            one
        }
    // [dataset, run meta, embedding, latents, graph], as of the other runs
    consensus = WEAVE.out.embedding
        .map { meta, embedding -> [meta.dataset, meta, embedding] }
        .join(woven.map { dataset, _meta, latents, graph -> [dataset, latents, graph] })

    // [run meta, embedding, domains, latents, graph, coordinates], e.g. [[id: 'smart.seed1', ...], smart.seed1.h5ad, smart.seed1.domains.csv, smart.latents.h5mu, graph.h5ad, []]
    to_evaluate = trained
        .mix(consensus)
        .combine(coordinates, by: 0)
        .map { _dataset, meta, embedding, latents, graph, file -> [meta, embedding, latents, graph, file] }
        .join(CLUSTER.out.domains.mix(WEAVE.out.domains))
        .map { meta, embedding, latents, graph, file, domains -> [meta, embedding, domains, latents, graph, file] }
    EVALUATE(to_evaluate, options.clustering, code)
    // Results as they come, a line per run, e.g. 'embryo: smart, seed 1: 13 domains; adjusted Rand index 0.612 with the labels'
    EVALUATE.out.metrics.map { meta, file -> resultLine(meta, file) }.subscribe { line -> log.info(line) }

    // [dataset, [domains], [embeddings]] of all runs, e.g. ['embryo', [smart.seed1.domains.csv, ...], [smart.seed1.h5ad, ...]], and of
    // those datasets that have one, with the consensus. One that fails costs the others no verdict.
    by_consensus = CLUSTER.out.domains
        .filter { _meta, _domains -> options.assess }
        .join(TRAIN.out.embedding)
        .map { run, domains, embedding -> [run.dataset, domains, embedding] }
        .combine(fitted, by: 0)
        .map { dataset, domains, embedding, meta -> [groupKey(dataset, countRuns(methods*.name, methods, meta, options)), domains, embedding] }
        .groupTuple(remainder: true, sort: { file -> file.name })
        .map { key, domains, embeddings -> [key.groupTarget, domains, embeddings] }
        .join(fitted)
        .branch { _dataset, _domains, _embeddings, meta ->
            woven: isWoven(methods, meta, options)
            plain: true
        }
    assessable = by_consensus.woven
        .map { dataset, domains, embeddings, _meta -> [dataset, domains, embeddings] }
        .join(WEAVE.out.domains.join(WEAVE.out.embedding).filter { _meta, _domains, _embedding -> options.assess }.map { meta, domains, embedding -> [meta.dataset, [domains, embedding]] }, remainder: true)
        .map { dataset, domains, embeddings, files_of_weave -> [dataset, domains + (files_of_weave ?: []).take(1), embeddings + (files_of_weave ?: []).drop(1)] }
        .mix(by_consensus.plain.map { dataset, domains, embeddings, _meta -> [dataset, domains, embeddings] })
    // [meta, [domains], [embeddings], latents, number of domains], e.g. [[dataset: 'embryo', seed: 1], [...], [...], smart.latents.h5mu, 13]
    to_assess = assessable
        .join(first_inputs.map { meta, latents, _graph -> [meta.dataset, latents] })
        .join(numbers)
        .map { dataset, domains, embeddings, latents, number -> [[dataset: dataset, seed: options.seed], domains, embeddings, latents, number] }
    ASSESS(to_assess, code)
    // The verdict, one line per dataset, e.g. 'embryo: Use weave, the consensus: the data support its domains; ...'
    ASSESS.out.line.filter { line -> line.trim() }.subscribe { line -> log.info(line.trim()) }

    // [run meta, embedding, latents, coordinates], e.g. [[id: 'smart_ms.seed1', dataset: 'brain', ...], smart_ms.seed1.h5ad, smart.latents.h5mu, coordinates.csv]
    to_match = trained
        .combine(aligned, by: 0)
        .map { _dataset, meta, embedding, latents, _graph, file -> [meta, embedding, latents, file] }
    MATCH(to_match, options.match_radius ?: '', options.match_percentile ?: '', code)

    // [run meta, method file, latents, graph, embedding, state, domains, summary] of the runs that are saved as models
    models = TRAIN.out.state
        .join(runs.map { meta, latents, graph, method -> [meta, method.file, latents, graph] })
        .join(TRAIN.out.embedding)
        .join(CLUSTER.out.domains)
        .join(CLUSTER.out.summary)
        .map { meta, state, method_file, latents, graph, embedding, domains, summary -> [meta, method_file, latents, graph, embedding, state, domains, summary] }

    emit:
    datasets = fitted.map { _dataset, meta -> meta } // dataset meta, with the methods that memory does not suffice for, e.g. [dataset: 'embryo', ..., too_large: [spamo: 'needs about 75.4 GB to train, ...']]
    models = models // [run meta, method file, latents, graph, embedding, state, domains, summary], e.g. [[id: 'smart.seed1', ...], smart.yml, smart.latents.h5mu, graph.h5ad, smart.seed1.h5ad, smart.seed1.state.safetensors, smart.seed1.domains.csv, smart.seed1.clustering.json]
    planned = runs.map { meta, _latents, _graph, _method -> meta }.mix(to_weave.map { meta, _domains, _latents, _number -> meta }) // run meta, e.g. [id: 'smart.seed1', dataset: 'embryo', ..., method: 'smart', seed: 1]
    left_out = unfit.mix(unwoven) // what is not run, e.g. [dataset: 'embryo', method: 'smart_ms', reason: 'needs several sections']
    records = TRAIN.out.record.mix(WEAVE.out.record) // [run meta, record], e.g. [[id: 'smart.seed1', ...], smart.seed1.training.json]
    metrics = EVALUATE.out.metrics // [run meta, metrics], e.g. [[id: 'smart.seed1', ...], smart.seed1.metrics.csv]
    verdicts = ASSESS.out.verdict // [meta, files], e.g. [[dataset: 'embryo', seed: 1], [verdict.json, evidence.csv, modality_value.csv]]
    quality = MATCH.out.quality // [run meta, quality of the matches], e.g. [[id: 'smart_ms.seed1', ...], smart_ms.seed1.alignment.csv]
    files = TRAIN.out.embedding.mix(CLUSTER.out.domains, CLUSTER.out.summary, CHOOSE.out.table, WEAVE.out.embedding, WEAVE.out.domains, EVALUATE.out.metrics, ASSESS.out.verdict, MATCH.out.pairs, MATCH.out.quality) // [run meta, files] for ASSEMBLE and the reports
}
