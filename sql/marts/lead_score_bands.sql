-- Do the grades mean anything? Those who were leads conversion_days ago, with
-- the score that they had then, and who of them has bought since.
with lead_score_positions as (
    select * from intermediate.lead_score_positions
),

grades as (
    select
        column1 as grade,
        column2 as from_score
    from (
        values
            ('A', 50.0),
            ('B', 20.0),
            ('C', 5.0),
            ('D', 0.0),
            ('E', cast(null as double))
    )
),

leads as (
    select
        grade,
        count(*) as leads,
        count(*) filter (where first_purchase_on <= $as_of) as converted
    from lead_score_positions
    where cut_on = add_days($as_of, -$conversion_days)
    group by grade
),

overall as (
    select
        cast(sum(converted) as double) / nullif(sum(leads), 0)
            as conversion_rate
    from leads
),

rates as (
    select
        grades.grade,
        grades.from_score,
        coalesce(leads.leads, 0) as leads,
        coalesce(leads.converted, 0) as converted,
        cast(leads.converted as double) / nullif(leads.leads, 0)
            as conversion_rate
    from grades
    left join leads on grades.grade = leads.grade
),

final as (
    select
        rates.grade,
        rates.from_score,
        rates.leads,
        rates.converted,
        rates.conversion_rate,
        rates.conversion_rate / nullif(overall.conversion_rate, 0)
            as lift_ratio
    from rates
    cross join overall
)

select * from final
