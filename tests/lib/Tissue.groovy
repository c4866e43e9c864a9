/** A tissue of 12 x 12 spots and two domains as tables: small enough to run the whole flow on it in a minute. */
class Tissue {
    static final int SIDE = 12

    /** Writes counts, coordinates and labels; every fourth row of spots has no protein. */
    static void write(folder) {
        def root = new File(folder.toString())
        def spots = (0..<SIDE).collectMany { y -> (0..<SIDE).collect { x -> [x: x, y: y, name: "spot${y}_${x}", domain: x < SIDE / 2 ? 'left' : 'right'] } }
        new File(root, 'rna.csv').text = counts(spots, 40, 1)
        new File(root, 'adt.csv').text = counts(spots.findAll { spot -> spot.y % 4 != 3 }, 12, 2)
        new File(root, 'spatial.csv').text = 'barcode,x,y\n' + spots.collect { spot -> "${spot.name},${spot.x},${spot.y}\n" }.join()
        new File(root, 'labels.csv').text = 'barcode,label\n' + spots.collect { spot -> "${spot.name},${spot.domain}\n" }.join()
    }

    /** Half of the features are higher on the left, the others on the right. */
    private static String counts(spots, int features, int seed) {
        def random = new Random(seed)
        def names = (1..features).collect { number -> "feature${number}" }
        def lines = spots.collect { spot ->
            ([spot.name] + (1..features).collect { number -> random.nextInt((number % 2 == 0) == (spot.domain == 'left') ? 20 : 5) }).join(',')
        }
        return (["barcode,${names.join(',')}"] + lines).join('\n') + '\n'
    }
}
