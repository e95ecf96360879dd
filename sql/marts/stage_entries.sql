-- When each customer reached each stage of their lifecycle.
--
-- To have other stages, edit seeds/stages.csv and the `evidence` below: one
-- block per stage, a row per customer (several are fine, the earliest counts).
-- Reaching a stage implies the earlier ones, whatever their own evidence.
with stages as (
    select * from seeds.stages
),

customers as (
    select * from intermediate.known_customers
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

buyers as (
    select * from intermediate.buyers
),

advocacy_acts as (
    select * from intermediate.advocacy_acts
),

-- The first act of advocacy at or after becoming a repeat customer.
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
    -- known to us
    select
        customer_id,
        'suspect' as stage,
        known_at as evident_at
    from customers
    union all
    -- the first inbound interaction or positive response
    select
        customer_id,
        'prospect' as stage,
        first_engaged_at as evident_at
    from customer_engagement
    where first_engaged_at is not null
    union all
    -- the first purchase
    select
        customer_id,
        'new' as stage,
        first_purchased_at as evident_at
    from buyers
    union all
    -- the second purchase
    select
        customer_id,
        'repeat' as stage,
        second_purchased_at as evident_at
    from buyers
    where second_purchased_at is not null
    union all
    -- speaks for us
    select
        customer_id,
        'advocate' as stage,
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
