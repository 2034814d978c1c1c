package peers;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import org.apache.avro.Schema;

/** The one call of a Confluent-compatible registry that the peers need. REGISTRY_URL names it. */
final class Registry {
    static int register(String subject, Schema schema) {
        try {
            ObjectMapper json = new ObjectMapper();
            String body = json.writeValueAsString(Map.of("schema", schema.toString()));
            URI uri = URI.create(System.getenv("REGISTRY_URL") + "/subjects/" + subject + "/versions");
            HttpRequest request = HttpRequest.newBuilder(uri)
                .header("content-type", "application/vnd.schemaregistry.v1+json")
                .POST(HttpRequest.BodyPublishers.ofString(body)).build();
            HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 200) throw new IllegalStateException(subject + ": " + response.body());
            return json.readTree(response.body()).get("id").asInt();
        } catch (java.io.IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private Registry() {}
}
