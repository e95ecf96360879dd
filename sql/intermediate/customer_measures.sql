-- What each customer comes to, in the measures by which groups of customers
-- are compared.
with known_customers as (
    select * from intermediate.known_customers
),

customer_value as (
    select * from marts.customer_value
),

churn as (
    select * from marts.churn
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

survey_responses as (
    select * from intermediate.survey_responses
),

-- One pass over all interactions.
interaction_counts as (
    select
        customer_id,
        coalesce(
            sum(interactions) filter (
                where is_inbound and day > add_days($as_of, -90)
            ), 0
        ) as inbound_interactions_90d,
        coalesce(sum(interactions) filter (where is_outbound), 0) as contacts,
        coalesce(
            sum(interactions) filter (
                where is_outbound and response = 'positive'
            ), 0
        ) as positive_responses
    from customer_interactions
    group by customer_id
),

newest_nps as (
    select
        customer_id,
        first_value(score order by responded_at desc, survey_id) as nps_score
    from survey_responses
    -- keeps out what is no number, too
    where kind = 'nps' and score between -1000000 and 1000000
    group by customer_id
),

final as (
    select
        known_customers.customer_id,
        customer_value.customer_id is not null as is_buyer,
        coalesce(customer_value.revenue, cast(0 as decimal(18, 2)))
            as revenue,
        customer_value.clv,
        coalesce(churn.has_bought_before, false) as has_bought_before,
        coalesce(churn.is_new_churn and churn.category = 'account', false)
            as is_churned_account,
        coalesce(interaction_counts.inbound_interactions_90d, 0)
            as inbound_interactions_90d,
        coalesce(interaction_counts.contacts, 0) as contacts,
        coalesce(interaction_counts.positive_responses, 0)
            as positive_responses,
        newest_nps.nps_score
    from known_customers
    left join customer_value
        on known_customers.customer_id = customer_value.customer_id
    left join churn on known_customers.customer_id = churn.customer_id
    left join interaction_counts
        on known_customers.customer_id = interaction_counts.customer_id
    left join newest_nps
        on known_customers.customer_id = newest_nps.customer_id
)

select * from final
