package peers;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpServerOptions;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.function.IntConsumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import peers.avro.RawEvent;

/**
 * A webhook bridge on Vert.x and Kafka's own producer: HMAC-SHA256 → JSON → Avro → acks=all → 204. It has one secret, one header-free record, no
 * spool, no limits, no metrics. Environment: PORT, BROKERS, REGISTRY_URL, RAW_TOPIC, SECRET, THREADS.
 */
public final class HttpBridge {
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Envelope { public String id; public Data data; }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Data { public Publication publication; }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Publication { public String id; }

    private static final ObjectReader READER = new ObjectMapper().readerFor(Envelope.class);
    private static final String TOPIC = System.getenv("RAW_TOPIC");
    private static final byte[] SECRET = System.getenv("SECRET").getBytes(StandardCharsets.UTF_8);
    private static final ThreadLocal<Mac> MAC = ThreadLocal.withInitial(HttpBridge::mac);
    private static final ThreadLocal<Wire<RawEvent>> WIRE = ThreadLocal.withInitial(() -> new Wire<>(RawEvent.class));
    private static KafkaProducer<byte[], byte[]> producer;
    private static int schemaId;

    public static void main(String[] args) throws Exception {
        int threads = Integer.parseInt(System.getenv().getOrDefault("THREADS", "2"));
        int port = Integer.parseInt(System.getenv("PORT"));
        schemaId = Registry.register(TOPIC + "-value", RawEvent.getClassSchema());
        // linger.ms 0: measured faster here than 1 or 5, which are Kafka's usual advice.
        producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", System.getenv("BROKERS"), "acks", "all", "linger.ms", "0", "batch.size", "131072"),
            new ByteArraySerializer(), new ByteArraySerializer());
        Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(threads).setPreferNativeTransport(true));
        vertx.deployVerticle(() -> new VerticleBase() {
            @Override public Future<?> start() {
                var loop = context;
                return vertx.createHttpServer(new HttpServerOptions().setTcpNoDelay(true))
                    .requestHandler(request -> request.body().onSuccess(body ->
                        accept(body.getBytes(), request.getHeader("x-voucherify-signature"),
                            status -> loop.runOnContext(v -> request.response().setStatusCode(status).end()))))
                    .listen(port, "127.0.0.1");
            }
        }, new DeploymentOptions().setInstances(threads)).await();
        System.out.println("listening");
    }

    private static void accept(byte[] body, String signature, IntConsumer answer) {
        try {
            if (signature == null || !isSigned(body, signature)) {
                answer.accept(401);
                return;
            }
            Envelope envelope = READER.readValue(body);
            byte[] key = envelope.data.publication.id.getBytes(StandardCharsets.UTF_8);
            byte[] value = WIRE.get().encode(schemaId, new RawEvent(envelope.id, System.currentTimeMillis(), ByteBuffer.wrap(body)));
            producer.send(new ProducerRecord<>(TOPIC, key, value), (stored, error) -> answer.accept(error == null ? 204 : 503));
        } catch (Exception e) {
            answer.accept(400);
        }
    }

    private static boolean isSigned(byte[] body, String signature) {
        String expected = HexFormat.of().formatHex(MAC.get().doFinal(body));
        return MessageDigest.isEqual(expected.getBytes(StandardCharsets.US_ASCII), signature.getBytes(StandardCharsets.US_ASCII));
    }

    private static Mac mac() {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(SECRET, "HmacSHA256"));
            return mac;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private HttpBridge() {}
}
