-- Who has gone quiet but is not lost yet: the most valuable first.
with buyers as (
    select * from intermediate.buyers
),

customers as (
    select * from intermediate.known_customers
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

customer_value as (
    select * from marts.customer_value
),

churn as (
    select * from marts.churn
),

channel_preference as (
    select * from marts.channel_preference
),

dormant as (
    select
        customer_id,
        last_purchase_on,
        add_days(last_purchase_on, $dormant_days) as dormant_since,
        days_between(last_purchase_on, $as_of) as days_since_purchase
    from buyers
    where
        days_between(last_purchase_on, $as_of) >= $dormant_days
        and days_between(last_purchase_on, $as_of) < $lost_days
),

contacts as (
    select
        dormant.customer_id,
        cast(sum(customer_interactions.interactions) as bigint) as contacts,
        max(customer_interactions.day) as last_contacted_on,
        bool_or(customer_interactions.response = 'positive')
            as has_responded
    from dormant
    inner join customer_interactions
        on
            dormant.customer_id = customer_interactions.customer_id
            and dormant.dormant_since <= customer_interactions.day
    where customer_interactions.is_outbound
    group by dormant.customer_id
),

final as (
    select
        dormant.customer_id,
        cast(
            row_number() over (
                order by
                    customer_value.clv desc nulls last, dormant.customer_id
            ) as bigint
        ) as rank,
        customer_value.clv,
        customer_value.revenue,
        dormant.last_purchase_on,
        dormant.days_since_purchase,
        dormant.dormant_since,
        dormant.days_since_purchase - $dormant_days as days_dormant,
        $lost_days - dormant.days_since_purchase as days_until_lost,
        channel_preference.preferred_channel,
        coalesce(customers.is_contactable, false) as is_contactable,
        churn.reason as last_reason,
        churn.reason_source as last_reason_source,
        contacts.customer_id is not null as is_contacted,
        coalesce(contacts.contacts, 0) as contacts,
        contacts.last_contacted_on,
        coalesce(contacts.has_responded, false) as has_responded
    from dormant
    left join customers on dormant.customer_id = customers.customer_id
    left join customer_value
        on dormant.customer_id = customer_value.customer_id
    left join churn on dormant.customer_id = churn.customer_id
    left join channel_preference
        on dormant.customer_id = channel_preference.customer_id
    left join contacts on dormant.customer_id = contacts.customer_id
)

select * from final
