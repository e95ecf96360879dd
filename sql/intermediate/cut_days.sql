-- The days at which tables that look back are computed: as_of, and the days
-- that something is compared with or tested against. Models with a `cut_on`
-- column use the facts up to that day, with today's identities.
with cut_days as (
    select
        'matrix' as purpose,
        $as_of as cut_on
    union all
    select
        'matrix' as purpose,
        add_days($as_of, -$matrix_compare_days) as cut_on
    union all
    select
        'movement' as purpose,
        $as_of as cut_on
    union all
    select
        'movement' as purpose,
        add_days($as_of, -$movement_days) as cut_on
    union all
    select
        'kpi' as purpose,
        $as_of as cut_on
    union all
    select
        'kpi' as purpose,
        add_days($as_of, -$kpi_period_days) as cut_on
    union all
    select
        'lead_score' as purpose,
        $as_of as cut_on
    union all
    select
        'lead_score' as purpose,
        add_days($as_of, -$conversion_days) as cut_on
    union all
    select
        'lead_score' as purpose,
        add_days($as_of, -$kpi_period_days) as cut_on
    union all
    select
        'engagement' as purpose,
        add_days($as_of, -$conversion_days) as cut_on
    union all
    select
        'propensity' as purpose,
        $as_of as cut_on
    union all
    select
        'propensity' as purpose,
        add_days($as_of, -$conversion_days) as cut_on
    union all
    select
        'propensity' as purpose,
        add_days($as_of, -2 * $conversion_days) as cut_on
),

final as (
    select distinct
        purpose,
        cut_on
    from cut_days
)

select * from final
