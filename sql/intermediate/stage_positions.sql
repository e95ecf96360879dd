-- The stage in which each customer was at the days that something is compared
-- with: the highest one entered by then. Entries are those known today.
with cut_days as (
    select distinct cut_on
    from intermediate.cut_days
    where purpose in ('movement', 'engagement')
),

stages as (
    select * from seeds.stages
),

stage_entries as (
    select * from marts.stage_entries
),

customers as (
    select * from intermediate.known_customers
),

first_stages as (
    select min(rank) as stage_rank
    from stages
),

entries as (
    select
        customer_id,
        stage_rank,
        entered_on
    from stage_entries
    union all
    -- whoever is known without a date was in the first stage from the start
    select
        customers.customer_id,
        first_stages.stage_rank,
        cast(null as date) as entered_on
    from customers
    cross join first_stages
    where customers.is_known_from_start
),

positions as (
    select
        cut_days.cut_on,
        entries.customer_id,
        max(entries.stage_rank) as stage_rank
    from cut_days
    cross join entries
    where entries.entered_on is null or entries.entered_on <= cut_days.cut_on
    group by cut_days.cut_on, entries.customer_id
),

final as (
    select
        positions.cut_on,
        positions.customer_id,
        stages.stage,
        positions.stage_rank
    from positions
    inner join stages on positions.stage_rank = stages.rank
)

select * from final
