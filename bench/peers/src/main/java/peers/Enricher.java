package peers;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.module.blackbird.BlackbirdModule;
import io.voucherbus.RawWebhook;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import peers.avro.Publication;

/** A webhook's body → a flat Publication. Jackson binds just the fields that are used, which is faster than a tree. */
final class Enricher {
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Envelope {
        public String id; @JsonProperty("project_id") public String projectId; public Data data; public Event event;
    }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Data {
        public Id user; public Campaign campaign; public Customer customer; public List<Voucher> vouchers; public Pub publication;
    }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Id { public String id; }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Event { public String id; @JsonProperty("group_id") public String groupId; }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Campaign {
        public String id; public String name; @JsonProperty("campaign_type") public String campaignType;
    }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Customer {
        public String id; @JsonProperty("source_id") public String sourceId; public Map<String, Object> metadata;
    }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Voucher {
        public String id; public String code; public String type; public Discount discount; public JsonNode gift; @JsonProperty("loyalty_card") public JsonNode loyaltyCard;
    }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Discount {
        public String type; public String effect; @JsonProperty("unit_off") public Double unitOff; @JsonProperty("unit_type") public String unitType;
        @JsonProperty("amount_off") public Double amountOff; @JsonProperty("percent_off") public Double percentOff;
    }
    @JsonIgnoreProperties(ignoreUnknown = true) public static class Pub {
        public String id; public String channel; @JsonProperty("created_at") public String createdAt; @JsonProperty("source_id") public String sourceId;
        @JsonProperty("tracking_id") public String trackingId; public Map<String, Object> metadata;
    }

    private static final ObjectReader READER =
        JsonMapper.builder().addModule(new BlackbirdModule()).build().readerFor(Envelope.class);

    static Envelope parse(ByteBuffer body) throws IOException {
        return READER.readValue(body.array(), body.arrayOffset() + body.position(), body.remaining());
    }

    static Publication enrich(RawWebhook raw, Envelope envelope, long now) {
        Data data = envelope.data;
        Pub publication = data.publication;
        Campaign campaign = data.campaign;
        Customer customer = data.customer;
        Publication out = new Publication();
        out.setPublicationId(publication.id);
        out.setWebhookId(envelope.id);
        out.setProjectId(envelope.projectId);
        if (envelope.event != null) {
            out.setEventId(envelope.event.id);
            out.setGroupId(envelope.event.groupId);
        }
        out.setCreatedAt(Instant.parse(publication.createdAt).toEpochMilli());
        out.setReceivedAt(raw.getReceivedAt().toEpochMilli());
        out.setProcessedAt(now);
        if (campaign != null) {
            out.setCampaignId(campaign.id);
            out.setCampaignName(campaign.name);
            out.setCampaignType(campaign.campaignType);
        }
        if (customer != null) {
            out.setCustomerId(customer.id);
            out.setCustomerSourceId(customer.sourceId);
            Object region = customer.metadata == null ? null : customer.metadata.get("region");
            out.setRegion(region == null ? null : region.toString());
        }
        List<String> ids = new ArrayList<>();
        List<String> codes = new ArrayList<>();
        LinkedHashSet<String> types = new LinkedHashSet<>();
        for (Voucher voucher : data.vouchers) {
            ids.add(voucher.id);
            codes.add(voucher.code);
            types.add(voucher.type);
        }
        out.setVoucherIds(ids);
        out.setVoucherCodes(codes);
        out.setVoucherTypes(new ArrayList<>(types));
        out.setBenefit(data.vouchers.isEmpty() ? null : summary(data.vouchers.get(0)));
        out.setChannel(publication.channel);
        if (data.user != null) out.setPublisherId(data.user.id);
        out.setSourceId(publication.sourceId);
        out.setTrackingId(publication.trackingId);
        out.setMetadata(strings(publication.metadata));
        out.setCustomerMetadata(strings(customer == null ? null : customer.metadata));
        return out;
    }

    private static String summary(Voucher voucher) {
        Discount discount = voucher.discount;
        if (discount == null) return voucher.type;
        if (discount.percentOff != null) return "PERCENT " + discount.percentOff + "%";
        if (discount.amountOff != null) return "AMOUNT " + discount.amountOff;
        return discount.type + " " + discount.effect + " " + discount.unitOff + " x " + discount.unitType;
    }

    private static Map<String, String> strings(Map<String, Object> map) {
        if (map == null || map.isEmpty()) return Map.of();
        Map<String, String> texts = new HashMap<>(map.size() * 2);
        map.forEach((name, value) -> texts.put(name, String.valueOf(value)));
        return texts;
    }

    private Enricher() {}
}
