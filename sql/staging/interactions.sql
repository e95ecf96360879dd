-- Every contact between a customer and us, whichever system saw it. Add a
-- feed by adding a `union all`; ids must stay unique over all feeds.
with visits as (
    select * from landed.visits
),

service_cases as (
    select * from landed.service
),

messages as (
    select * from landed.messages
),

-- Until a visitor signs in, only an anonymous id is known: identities may
-- tell later whose it was.
web_interactions as (
    select
        event_id as interaction_id,
        coalesce(customer_no, visitor_id) as customer_id,
        "at" as occurred_at,
        'inbound' as direction,
        channel,
        event as kind,
        campaign_code as campaign_id,
        content_id,
        sku as product_id,
        cast(null as varchar) as response,
        seconds as value
    from visits
),

service_interactions as (
    select
        case_no as interaction_id,
        customer_no as customer_id,
        received_at as occurred_at,
        'inbound' as direction,
        channel,
        subject as kind,
        cast(null as varchar) as campaign_id,
        cast(null as varchar) as content_id,
        sku as product_id,
        cast(null as varchar) as response,
        cast(null as double) as value
    from service_cases
),

outbound_messages as (
    select
        message_id as interaction_id,
        customer_no as customer_id,
        sent_at as occurred_at,
        'outbound' as direction,
        channel,
        kind,
        campaign_code as campaign_id,
        content_id,
        cast(null as varchar) as product_id,
        response,
        answer_value as value
    from messages
)

select * from web_interactions
union all
select * from service_interactions
union all
select * from outbound_messages
