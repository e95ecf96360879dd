-- When each customer reached each of seven stages: more steps before the first
-- order and after the second.
with stages as (
    select * from seeds.stages
),

customers as (
    select * from intermediate.known_customers
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

buyers as (
    select * from intermediate.buyers
),

advocacy_acts as (
    select * from intermediate.advocacy_acts
),

enquirers as (
    select
        customer_id,
        min(first_at) as enquired_at
    from customer_interactions
    where is_inbound and kind in ('enquiry', 'quote_request')
    group by customer_id
),

-- The first use of a day that began after the second order.
users as (
    select
        customer_interactions.customer_id,
        min(customer_interactions.first_at) as used_at
    from customer_interactions
    inner join buyers
        on customer_interactions.customer_id = buyers.customer_id
    where
        customer_interactions.is_usage
        and customer_interactions.first_at >= buyers.second_purchased_at
    group by customer_interactions.customer_id
),

advocates as (
    select
        advocacy_acts.customer_id,
        min(advocacy_acts.acted_at) as advocated_at
    from advocacy_acts
    inner join buyers on advocacy_acts.customer_id = buyers.customer_id
    where
        advocacy_acts.cut_on = $as_of
        and advocacy_acts.acted_at >= buyers.second_purchased_at
    group by advocacy_acts.customer_id
),

evidence as (
    select
        customer_id,
        'stranger' as stage,
        known_at as evident_at
    from customers
    union all
    select
        customer_id,
        'visitor' as stage,
        first_engaged_at as evident_at
    from customer_engagement
    where first_engaged_at is not null
    union all
    select
        customer_id,
        'enquirer' as stage,
        enquired_at as evident_at
    from enquirers
    union all
    select
        customer_id,
        'first order' as stage,
        first_purchased_at as evident_at
    from buyers
    union all
    select
        customer_id,
        'second order' as stage,
        second_purchased_at as evident_at
    from buyers
    where second_purchased_at is not null
    union all
    select
        customer_id,
        'user' as stage,
        used_at as evident_at
    from users
    union all
    select
        customer_id,
        'speaks for us' as stage,
        advocated_at as evident_at
    from advocates
),

ranked_evidence as (
    select
        evidence.customer_id,
        stages.rank,
        evidence.evident_at
    from evidence
    inner join stages on evidence.stage = stages.stage
),

-- Entered at the earliest evidence of the stage or of any later one.
entries as (
    select
        ranked_evidence.customer_id,
        stages.rank,
        stages.stage,
        min(ranked_evidence.evident_at) as entered_at
    from ranked_evidence
    inner join stages on ranked_evidence.rank >= stages.rank
    group by ranked_evidence.customer_id, stages.rank, stages.stage
),

final as (
    select
        customer_id,
        stage,
        rank as stage_rank,
        entered_at,
        business_day(entered_at) as entered_on
    from entries
)

select * from final
