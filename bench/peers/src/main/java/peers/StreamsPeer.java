package peers;

import io.voucherbus.RawWebhook;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.TopicNameExtractor;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;
import peers.avro.Publication;

/**
 * The same job on Kafka Streams: exactly once, repeats dropped by publication id with a RocksDB key-value store that is tuned for look-ups of absent
 * keys, one topic a campaign type. No headers, no dead letters, no journal. Environment: BROKERS, REGISTRY_URL, GROUP, RAW_TOPIC, OUT_PREFIX,
 * STATE_DIR, THREADS, COMMIT_MS, LINGER_MS, SESSION_MS.
 */
public final class StreamsPeer {
    private static final long WINDOW_MS = Duration.ofDays(15).toMillis();
    private static final String OUT = System.getenv("OUT_PREFIX");

    private static final class Dedup implements Processor<String, byte[], String, Publication> {
        private final Wire<RawWebhook> wire = new Wire<>(RawWebhook.class);
        private ProcessorContext<String, Publication> context;
        private KeyValueStore<String, Long> seen;

        @Override public void init(ProcessorContext<String, Publication> given) {
            context = given;
            seen = given.getStateStore("dedup");
            given.schedule(Duration.ofMinutes(10), PunctuationType.WALL_CLOCK_TIME, this::expire);
        }

        @Override public void process(Record<String, byte[]> record) {
            try {
                RawWebhook raw = wire.decode(record.value());
                Enricher.Envelope envelope = Enricher.parse(raw.getBody());
                String id = envelope.data.publication.id;
                Long before = seen.get(id);
                if (before != null && record.timestamp() - before <= WINDOW_MS) return;
                seen.put(id, record.timestamp());
                Publication event = Enricher.enrich(raw, envelope, context.currentSystemTimeMs());
                context.forward(record.withKey(id).withValue(event));
            } catch (IOException | RuntimeException e) {
                throw new StreamsException(e);
            }
        }

        private void expire(long now) {
            try (var all = seen.all()) {
                while (all.hasNext()) {
                    var entry = all.next();
                    if (now - entry.value > WINDOW_MS) seen.delete(entry.key);
                }
            }
        }
    }

    /** A shared bounded cache, bloom filters, few bigger memtables. */
    public static final class Rocks implements RocksDBConfigSetter {
        static { org.rocksdb.RocksDB.loadLibrary(); }
        private static final Cache CACHE = new LRUCache(128L << 20);
        private static final WriteBufferManager BUFFERS = new WriteBufferManager(96L << 20, CACHE);

        @Override public void setConfig(String store, Options options, Map<String, Object> configs) {
            var table = (BlockBasedTableConfig) options.tableFormatConfig();
            table.setBlockCache(CACHE);
            table.setCacheIndexAndFilterBlocks(true);
            table.setFilterPolicy(new BloomFilter(10));
            table.setPinTopLevelIndexAndFilter(true);
            options.setWriteBufferManager(BUFFERS);
            options.setMaxWriteBufferNumber(2);
            options.setWriteBufferSize(16L << 20);
            options.setTableFormatConfig(table);
        }

        @Override public void close(String store, Options options) {}
    }

    private static Topology topology() {
        int schemaId = Registry.register(OUT + "publication-value", Publication.getClassSchema());
        var store = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("dedup"), Serdes.String(), Serdes.Long())
            .withCachingDisabled().withLoggingEnabled(Map.of());
        var wire = ThreadLocal.withInitial(() -> new Wire<>(Publication.class));
        Serializer<Publication> serializer = (topic, event) -> {
            try {
                return wire.get().encode(schemaId, event);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        };
        TopicNameExtractor<String, Publication> route = (key, event, context) -> OUT + suffixOf(event.getCampaignType());
        return new Topology()
            .addSource("raw", new StringDeserializer(), new ByteArrayDeserializer(), System.getenv("RAW_TOPIC"))
            .addProcessor("dedup-enrich", Dedup::new, "raw")
            .addStateStore(store, "dedup-enrich")
            .addSink("out", route, new StringSerializer(), serializer, "dedup-enrich");
    }

    private static String suffixOf(String campaignType) {
        return campaignType == null ? "no-campaign" : campaignType.toLowerCase().replace('_', '-');
    }

    private static Properties config() {
        var config = new Properties();
        config.put("application.id", System.getenv("GROUP"));
        config.put("bootstrap.servers", System.getenv("BROKERS"));
        config.put("processing.guarantee", "exactly_once_v2");
        config.put("num.stream.threads", System.getenv().getOrDefault("THREADS", "2"));
        config.put("state.dir", System.getenv("STATE_DIR"));
        config.put("commit.interval.ms", System.getenv().getOrDefault("COMMIT_MS", "100"));
        config.put("replication.factor", "1");
        config.put("statestore.cache.max.bytes", "0");
        config.put("rocksdb.config.setter", Rocks.class.getName());
        config.put("consumer.auto.offset.reset", "earliest");
        // Not compressed, as ours: on one machine that costs the least.
        config.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "none");
        config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), System.getenv().getOrDefault("LINGER_MS", "20"));
        config.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), "131072");
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), System.getenv().getOrDefault("SESSION_MS", "10000"));
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "2000");
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "4194304");
        return config;
    }

    public static void main(String[] args) throws InterruptedException {
        var streams = new KafkaStreams(topology(), config());
        var stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(20));
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }

    private StreamsPeer() {}
}
