-- The interactions in which customers speak for us, one by one: the moment of
-- each matters to the stage of advocates.
with interactions as (
    select * from staging.interactions
),

kinds as (
    select * from seeds.interaction_kinds
),

final as (
    select
        business_day(interactions.occurred_at) as day,
        interactions.interaction_id,
        interactions.customer_id,
        interactions.occurred_at,
        interactions.kind
    from interactions
    inner join kinds on interactions.kind = kinds.kind
    where
        kinds.is_advocacy
        and interactions.customer_id is not null
        and interactions.occurred_at is not null
)

select * from final
